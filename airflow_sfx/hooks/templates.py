"""Templates of names: what a table, a partition, a key or a reason is rendered from must be there.

Jinja writes ``None`` for what is not set: ``{{ params.db }}.items`` becomes the table
``None.items``. In the fields that name something, each place of a template where a value becomes
text is therefore guarded: outputs, ``~``, ``%``, and the filters and methods that make text. What a
template only looks at (``if``, ``or``, ``is none``, ``default``) may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from jinja2 import Environment, Template, TemplateRuntimeError, Undefined, UndefinedError, nodes
from jinja2.filters import FILTERS
from jinja2.visitor import NodeTransformer

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.validation import is_missing

if TYPE_CHECKING:
    from airflow.sdk import Context

_THERE = "sfx_there"
_FALLBACKS = ("default", "d")
_LISTS = ("join", "format", "string", "tojson", "pprint", "urlencode")
"""Filters of Jinja that write what is in a list, too."""
_TEXT_METHODS = ("format", "format_map", "join", "replace")
"""Methods of text, and filters of Jinja, that write their arguments."""
_TEXTS = ("None", "nan", "NaN", "NaT", "<NA>", "null")
"""What libraries write for a missing value. In a DAG file it is text like any other; a template has made it of nothing."""

_Init = TypeVar("_Init", bound=Callable[..., None])


class MissingValue(TemplateRuntimeError):
    """A value that a name is made of is missing."""


class CheckedTemplates:
    """Mixed into operators, sensors and triggers, before Airflow's class: refuses names of which a part is missing."""

    names: ClassVar[tuple[str, ...]]
    """The template fields that name something, or say why."""

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a field, or a part of one, as Airflow does; of a field that names something, nothing may be missing.

        Args:
            content: What the DAG file says: text, an output of another task, a list or a dictionary
                of them.
            context: The task's context.
            jinja_env: Airflow's environment of templates.
            seen_oids: What has been rendered before.

        Returns:
            What it became.

        Raises:
            InvalidName: A value that is undefined or missing would be part of a name.
        """
        render: Callable[..., Any] = super().render_template  # type: ignore[misc]
        if isinstance(jinja_env, _Guarding):  # a part of such a field
            return _there(render(content, context, jinja_env, seen_oids), content)
        field = None if content is None else self._named_by(content)
        if field is None:
            return render(content, context, jinja_env, seen_oids)
        made: Any = self
        guarding = cast("Environment", _Guarding(jinja_env or made.get_template_env()))
        try:
            return _there(render(content, context, guarding, seen_oids), content)
        except (
            MissingValue,
            UndefinedError,
            TypeError,
        ) as error:  # what is missing cannot be added to text
            raise InvalidName(
                f"the task {made.task_id} has {parameter(field)}={content!r}, and {error}: set what"
                " is missing, or give it a default"
            ) from error

    def _named_by(self, content: object) -> str | None:
        """The field that holds this very object. Where another field holds it, too, it is refused there in any case."""
        return next((name for name in self.names if getattr(self, name, None) is content), None)


def is_mapped(task: object) -> bool:
    """Whether a task of a DAG is one that is expanded when it runs.

    Args:
        task: The task, as the DAG has it.

    Returns:
        Whether it is.
    """
    return hasattr(task, "partial_kwargs")


def is_settled(name: object) -> bool:
    """Whether a name is known when the DAG file is parsed: it is neither a template nor another task's output.

    Args:
        name: A table, as the DAG file says it.

    Returns:
        Whether it is.

    Example:
        >>> is_settled("sales.sold_items"), is_settled("{{ params.table }}")
        (True, False)
    """
    return not ((isinstance(name, str) and "{" in name) or hasattr(name, "resolve"))


def parameter(field: str) -> str:
    """How a field is called among the operator's arguments.

    Args:
        field: The field.

    Returns:
        The argument.
    """
    return field.removeprefix("undone_")


def checks_names(init: _Init) -> _Init:
    """Make an operator's ``__init__`` refuse a missing value that a mapped task was expanded with.

    ``partitions=None`` is as good as no argument, and would be the run's partition, or all of them.
    Nobody writes it into a DAG file; a task whose list the mapped one is expanded over returned it.

    Args:
        init: The method.

    Returns:
        The method that refuses.
    """

    @wraps(init)
    def checked(self: Any, **given: Any) -> None:
        for name in map(parameter, type(self).names):
            if name in given and is_missing(given[name]) and _is_of_mapped(given):
                raise InvalidName(
                    f"an instance of the mapped task {given['task_id']} was given"
                    f" {name}={given[name]!r}: leave out what has no value before the task is"
                    " expanded over it"
                )
        init(self, **given)

    return cast("_Init", checked)


def _is_of_mapped(given: Mapping[str, Any]) -> bool:
    """Whether an operator is made for one instance of a mapped task, which its DAG then has already."""
    dag = given.get("dag")
    return dag is not None and is_mapped(dag.task_dict.get(given["task_id"]))


class _Guarding:
    """What a field's templates are made by, in place of Airflow's environment: it guards all that becomes text."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment.overlay()
        self._environment.filters = {**environment.filters, _THERE: _all_there}

    def from_string(self, source: str) -> Template:
        tree: nodes.Template = _Guards(self._environment.filters).visit(
            self._environment.parse(source)
        )
        return self._environment.from_string(tree)

    get_template = from_string  # no name is one of a file, also where it ends in .sql


class _Guards(NodeTransformer):
    """Guards each expression of a template whose value becomes text."""

    def __init__(self, filters: Mapping[str, Callable[..., Any]]) -> None:
        self._filters = filters

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [
            one if isinstance(one, nodes.TemplateData) else _guarded(one) for one in node.nodes
        ]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = list(map(_guarded, node.nodes))
        return node

    def visit_Mod(self, node: nodes.Mod) -> nodes.Node:
        self.generic_visit(node)
        node.left, node.right = _guarded(node.left), _guarded(node.right)
        return node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        if isinstance(node.node, nodes.Getattr) and node.node.attr in _TEXT_METHODS:
            _guard_arguments(node)
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        self.generic_visit(node)
        jinjas = self._filters.get(node.name) is FILTERS.get(
            node.name
        )  # one of the DAG's own may know what to do
        if node.node is not None and jinjas and node.name not in _FALLBACKS:
            node.node = _guarded(node.node, items=node.name in _LISTS or _maps_to_text(node))
            if node.name in _TEXT_METHODS:
                _guard_arguments(node)
        return node


def _guarded(expression: nodes.Expr, *, items: bool = True) -> nodes.Expr:
    inner = nodes.Const(items, lineno=expression.lineno)
    return nodes.Filter(expression, _THERE, [inner], [], None, None, lineno=expression.lineno)


def _maps_to_text(node: nodes.Filter) -> bool:
    """Whether each item goes through another filter, other than one that stands in for what is missing."""
    other = node.args[0] if node.name == "map" and node.args else None
    return other is not None and not (isinstance(other, nodes.Const) and other.value in _FALLBACKS)


def _guard_arguments(node: nodes.Call | nodes.Filter) -> None:
    node.args = [_guarded(one, items=False) for one in node.args]
    for one in node.kwargs:
        if isinstance(one, nodes.Keyword):
            one.value = _guarded(one.value, items=False)


def _all_there(value: Any, items: bool) -> Any:
    """A value that is about to become text."""
    if isinstance(value, Iterator) and items:
        value = list(value)
    for one in _parts(value) if items else [value]:
        if isinstance(one, Undefined):
            str(one)  # which says what is undefined, unless the DAG has asked for another kind
            raise MissingValue("a value in it is undefined")
        if is_missing(one):
            raise MissingValue(f"a value in it is {one}")
    return value


def _there(rendered: Any, content: object) -> Any:
    """What a field, or a part of one, has become."""
    for one in _parts(rendered):
        if is_missing(one):
            raise MissingValue(f"its value is {one}")
    if isinstance(rendered, str) and rendered in _TEXTS and rendered != content:
        raise MissingValue(
            f"it became {rendered!r}, which is what is written for a value that is not set"
        )
    return rendered


def _parts(value: Any) -> Iterator[Any]:
    """What is in a value; sequences that Airflow fetches on use are left alone."""
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, dict):
        yield from _parts(list(value.values()))
    else:
        yield value
