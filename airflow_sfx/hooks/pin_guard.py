"""Whether a pin is of the table that the task it comes from writes: XCom can be edited, and a pin of another table loads well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.airflow_internals import mapped_group_argument
from airflow_sfx.hooks.nested_pins import pins_in
from airflow_sfx.hooks.templates import is_mapped, is_settled

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin


def table_of_output(output: Any) -> str | None:
    """The table of the task whose output this is.

    Args:
        output: What a DAG file passes on: ``write()`` or ``write.output``.

    Returns:
        ``database.table``; None where the DAG file does not say it: the task has none, or a
        template.
    """
    operator: Any = getattr(output, "operator", None)
    kind = getattr(operator, "operator_class", type(operator))  # of a mapped task
    if not any(one.__module__.startswith("airflow_sfx.") for one in kind.__mro__):
        return None
    if _said(operator, "tables"):
        return None  # it pins several
    table, pin = _said(operator, "table"), _said(operator, "pin")
    if table is None and pin is not None:
        return table_of_output(pin)  # a task that passes a pin on
    return (
        str(TableRef.parse(table))
        if isinstance(table, str) and table and is_settled(table)
        else None
    )


def refuse_foreign_pin(
    task: Any, context: Context, *fields: str, only: BatchPin | None = None
) -> None:
    """Refuse pins of other tables than the DAG file says.

    Args:
        task: The task that runs, with what its fields are now.
        context: Its context.
        fields: The fields in which pins come.
        only: The pin that is asked about; None for all that come.

    Raises:
        InvalidName: A pin is not of the table that the task it comes from writes.
    """
    dag = getattr(task, "dag", None)
    written = dag.task_dict.get(task.task_id) if dag is not None else None
    for field in fields:
        for output, value in _outputs(
            _as_written(written, field, context), getattr(task, field), context
        ):
            table = table_of_output(output)
            for pin in pins_in(value) if table else ():
                if str(pin.ref) != table and only in (None, pin):
                    raise InvalidName(
                        f"the XCom of the task {output.operator.task_id} holds a pin of {pin.ref},"
                        f" and that task writes {table}: the XCom was edited; clear"
                        f" {output.operator.task_id}, and it makes a pin of its own"
                    )


def _said(task: Any, field: str) -> Any:
    """A field as the DAG file has it; of a mapped task, for all of its instances."""
    if not is_mapped(task):
        return getattr(task, field, None)
    each = task.expand_input.value
    return task.partial_kwargs.get(field) or (
        each.get(field) if isinstance(each, Mapping) else None
    )


def _as_written(task: Any, field: str, context: Context) -> Any:
    """A field as the DAG file has it; of a mapped task, for the instance that runs."""
    if not is_mapped(task):
        return getattr(task, field, None)
    shared = task.partial_kwargs.get(field)
    decorated = getattr(
        task, "op_kwargs_expand_input", None
    )  # of a function, its arguments are mapped, and not fields
    if decorated is None:
        return _of_instance(task.expand_input, context).get(field, shared)
    return (
        {**(shared or {}), **_of_instance(decorated, context)} if field == "op_kwargs" else shared
    )


def _of_instance(expanded: Any, context: Context) -> Mapping[str, Any]:
    """What ``expand(…)`` gives the instance that runs, with outputs of other tasks as the DAG file names them."""
    each = expanded.value
    if isinstance(each, Mapping):
        if all(map(_is_resolved, each.values())):
            return each
        own, _ = expanded.resolve(
            context
        )  # of a list in the DAG file, it is the item as it is there
        return {name: value if _is_resolved(value) else own[name] for name, value in each.items()}
    one = each[context["ti"].map_index or 0] if isinstance(each, Sequence) else None
    return one if isinstance(one, Mapping) else {}  # a task made all of the arguments


def _is_resolved(value: Any) -> bool:
    """Whether Airflow puts something else in the place of a value: it is an output, or an argument of a mapped task group."""
    return hasattr(value, "resolve")


def _outputs(written: Any, value: Any, context: Context) -> Iterator[tuple[Any, Any]]:
    """Each output of another task in a field as written, with what has become of it."""
    if getattr(written, "key", None) == "return_value":
        yield written, value
    elif argument := mapped_group_argument(written):
        expanded, name = argument
        yield from _outputs(_of_instance(expanded, context).get(name), value, context)
    elif isinstance(written, Mapping) and isinstance(value, Mapping):
        for name in written.keys() & value.keys():
            yield from _outputs(written[name], value[name], context)
    elif (
        isinstance(written, (list, tuple))
        and isinstance(value, Sequence)
        and len(written) == len(value)
    ):
        for one, other in zip(written, value, strict=True):
            yield from _outputs(one, other, context)
