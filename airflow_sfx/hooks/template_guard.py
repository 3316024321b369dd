"""Templates that refuse to write a missing value as text.

Jinja writes ``None`` for a value that is not set: ``{{ params.db }}.items`` becomes the table
``None.items``. Here each place of a template where a value becomes text is guarded: outputs, ``~``,
``%``, and the filters and methods that make text. A value that a template only tests (``if``,
``or``, ``is none``, ``default``) may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import Environment, Template, TemplateRuntimeError, Undefined, nodes
from jinja2.filters import FILTERS
from jinja2.visitor import NodeTransformer

from airflow_sfx.core.validation import is_missing

_GUARD = "sfx_guard"
_FALLBACKS = ("default", "d")
_LISTS = ("join", "format", "string", "tojson", "pprint", "urlencode")
"""Jinja's filters that also write the items of a list."""
_TEXT_METHODS = ("format", "format_map", "join", "replace")
"""Methods of text, and filters of Jinja, that write their arguments."""
_NULLS = ("None", "nan", "NaN", "NaT", "<NA>", "null")
"""The texts that libraries write for a missing value. A DAG file may have them as plain text."""


class MissingValue(TemplateRuntimeError):
    """A value that becomes part of a name is missing."""


class GuardedEnvironment:
    """Makes guarded templates, in place of Airflow's Jinja environment.

    Args:
        environment: Airflow's environment.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment.overlay()
        self._environment.filters = {**environment.filters, _GUARD: _guard}

    def from_string(self, source: str) -> Template:
        """Return the guarded template of a text.

        Args:
            source: The text.

        Returns:
            The template.
        """
        tree = _Guards(self._environment.filters).visit(self._environment.parse(source))
        return self._environment.from_string(tree)

    get_template = from_string  # a name is never the path of a file, even if it ends in .sql


def require_value(rendered: Any, source: object) -> Any:
    """Return a rendered field, or part of one, unless it is missing.

    Args:
        rendered: The field after rendering.
        source: The field in the DAG file.

    Returns:
        The rendered field.

    Raises:
        MissingValue: It is missing, has a missing item, or became the text of a missing value.
    """
    for one in _items(rendered):
        if is_missing(one):
            raise MissingValue(f"its value is {one}")
    if isinstance(rendered, str) and rendered in _NULLS and rendered != source:
        raise MissingValue(f"it became {rendered!r}, the text of a value that is not set")
    return rendered


class _Guards(NodeTransformer):
    """Adds the guard to each expression of a template whose value becomes text."""

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
        node.nodes = [_guarded(one) for one in node.nodes]
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
        # A filter of the DAG's own may handle missing values.
        is_jinjas = self._filters.get(node.name) is FILTERS.get(node.name)
        if node.node is not None and is_jinjas and node.name not in _FALLBACKS:
            node.node = _guarded(node.node, items=node.name in _LISTS or _maps_to_text(node))
            if node.name in _TEXT_METHODS:
                _guard_arguments(node)
        return node


def _guarded(expression: nodes.Expr, *, items: bool = True) -> nodes.Expr:
    argument = nodes.Const(items, lineno=expression.lineno)
    return nodes.Filter(expression, _GUARD, [argument], [], None, None, lineno=expression.lineno)


def _guard_arguments(node: nodes.Call | nodes.Filter) -> None:
    node.args = [_guarded(one, items=False) for one in node.args]
    for one in node.kwargs:
        if isinstance(one, nodes.Keyword):
            one.value = _guarded(one.value, items=False)


def _maps_to_text(node: nodes.Filter) -> bool:
    """Return whether ``map`` applies a filter other than ``default`` to each item."""
    other = node.args[0] if node.name == "map" and node.args else None
    return other is not None and not (isinstance(other, nodes.Const) and other.value in _FALLBACKS)


def _guard(value: Any, items: bool) -> Any:
    """Return a value that is about to become text, unless a part is missing."""
    if isinstance(value, Iterator) and items:
        value = list(value)
    for one in _items(value) if items else [value]:
        if isinstance(one, Undefined):
            str(one)  # raises with the name, unless the DAG has chosen another kind of Undefined
            raise MissingValue("a value in it is undefined")
        if is_missing(one):
            raise MissingValue(f"a value in it is {one}")
    return value


def _items(value: Any) -> Iterator[Any]:
    """Yield the items of nested collections, except sequences fetched on use."""
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _items(item)
    elif isinstance(value, dict):
        yield from _items(list(value.values()))
    else:
        yield value
