"""Template fields that name something: no part may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.validation import is_missing

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment

_Init = TypeVar("_Init", bound=Callable[..., None])


class CheckedTemplates:
    """Base of operators, sensors and triggers that rejects incomplete names.

    It precedes Airflow's class among the bases.
    """

    names: ClassVar[tuple[str, ...]]
    """The template fields that name something, or give a reason."""

    def render_template(
        self,
        content: Any,
        context: Context,
        jinja_env: Environment | None = None,
        seen_oids: set[int] | None = None,
    ) -> Any:
        """Render a field, or a part of one, as Airflow does; a name must be complete.

        Args:
            content: The field in the DAG file: text, an output of another task, a list or a
                dictionary of them.
            context: The task's context.
            jinja_env: Airflow's Jinja environment, or None.
            seen_oids: The objects rendered before, or None.

        Returns:
            The rendered field.

        Raises:
            InvalidName: An undefined or missing value would be part of a name.
        """
        from jinja2 import UndefinedError

        from airflow_sfx.hooks.template_guard import (
            GuardedEnvironment,
            MissingValue,
            require_value,
        )

        render: Callable[..., Any] = super().render_template  # type: ignore[misc]
        if isinstance(jinja_env, GuardedEnvironment):  # a part of a name
            return require_value(render(content, context, jinja_env, seen_oids), content)
        field = None if content is None else self._name_of(content)
        if field is None:
            return render(content, context, jinja_env, seen_oids)
        operator: Any = self
        guarded = cast("Environment", GuardedEnvironment(jinja_env or operator.get_template_env()))
        try:
            return require_value(render(content, context, guarded, seen_oids), content)
        except (MissingValue, UndefinedError, TypeError) as error:  # None + "text" is a TypeError
            raise InvalidName(
                f"the task {operator.task_id} has {parameter(field)}={content!r}, and {error}: set"
                " what is missing, or give it a default"
            ) from error

    def _name_of(self, content: object) -> str | None:
        """Return the name field that holds this very object, if one does."""
        return next((name for name in self.names if getattr(self, name, None) is content), None)


def is_mapped(task: object) -> bool:
    """Return whether a task of a DAG is expanded at run time.

    Args:
        task: The task in the DAG.

    Returns:
        Whether it is.
    """
    return hasattr(task, "partial_kwargs")


def is_instance_of_mapped(arguments: Mapping[str, Any]) -> bool:
    """Return whether an operator is created for one instance of a mapped task.

    Args:
        arguments: The operator's arguments.

    Returns:
        Whether its DAG already has a mapped task of its name.
    """
    dag = arguments.get("dag")
    return dag is not None and is_mapped(dag.task_dict.get(arguments["task_id"]))


def is_settled(name: object) -> bool:
    """Return whether a name is neither a template nor another task's output.

    Args:
        name: A table in the DAG file.

    Returns:
        Whether it is.

    Example:
        >>> is_settled("sales.sold_items"), is_settled("{{ params.table }}")
        (True, False)
    """
    return not ((isinstance(name, str) and "{" in name) or hasattr(name, "resolve"))


def parameter(field: str) -> str:
    """Return the operator's argument that fills a template field.

    Args:
        field: The field.

    Returns:
        The argument.

    Example:
        >>> parameter("undone_run_id"), parameter("table")
        ('run_id', 'table')
    """
    return field.removeprefix("undone_")


def checks_names(init: _Init) -> _Init:
    """Make an operator's ``__init__`` reject missing values of a mapped task.

    ``partitions=None`` would be the same as no argument: the run's partition, or all partitions. A
    DAG file does not contain it; it comes from the list that another task returned.

    Args:
        init: The method.

    Returns:
        The method with the check.
    """

    @wraps(init)
    def checked(self: Any, **arguments: Any) -> None:
        for name in map(parameter, type(self).names):
            if (
                name in arguments
                and is_missing(arguments[name])
                and is_instance_of_mapped(arguments)
            ):
                raise InvalidName(
                    f"an instance of the mapped task {arguments['task_id']} was given"
                    f" {name}={arguments[name]!r}: remove missing values before the task is"
                    " expanded over them"
                )
        init(self, **arguments)

    return cast("_Init", checked)
