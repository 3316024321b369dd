"""Rejects a pin if the task that it comes from writes another table.

XCom can be edited, and a pin of another table would load without an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.airflow_internals import mapped_group_argument
from airflow_sfx.hooks.nested_pins import pins_in
from airflow_sfx.hooks.templates import is_mapped, is_settled
from airflow_sfx.models.pin import ModelPin, table_of

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin


def table_of_output(output: Any) -> str | None:
    """Return the table of the task whose output a value is.

    Args:
        output: A value in the DAG file: ``write()`` or ``write.output``.

    Returns:
        ``database.table``, or None if the DAG file does not name it: the task has no table, or a
        template of one.
    """
    operator: Any = getattr(output, "operator", None)
    kind = getattr(operator, "operator_class", type(operator))  # of a mapped task
    if not any(one.__module__.startswith("airflow_sfx.") for one in kind.__mro__):
        return None
    if _field(operator, "tables"):
        return None  # it pins several
    if hasattr(kind, "changes"):
        return table_of_model(_field(operator, kind.changes))
    table, pin = _field(operator, "table"), _field(operator, "pin")
    if table is None and pin is not None:
        return table_of_output(pin)  # the task returns the pin that it gets
    return (
        str(TableRef.parse(table))
        if isinstance(table, str) and table and is_settled(table)
        else None
    )


def table_of_model(model: Any) -> str | None:
    """Return the table of the model that a value in the DAG file stands for.

    Args:
        model: A name, a text as for `airflow_sfx.models.load`, or the output of a task.

    Returns:
        ``models.NAME``, or None if the DAG file does not say it.

    Raises:
        InvalidName: The text does not name a model.

    Example:
        >>> table_of_model("delays@production"), table_of_model("{{ params.model }}")
        ('models.delays', None)
    """
    if isinstance(model, (str, ModelPin)):
        return str(table_of(model)) if is_settled(model) else None
    return table_of_output(model)


def refuse_foreign_pin(
    task: Any, context: Context, *fields: str, only: BatchPin | None = None
) -> None:
    """Reject pins of other tables than those that the DAG file names.

    Args:
        task: The running task, with rendered fields.
        context: Its context.
        fields: The fields that hold pins.
        only: The pin to check, or None for all.

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
            for pin in _pins_of(value) if table else ():
                named = str(table_of(pin) if isinstance(pin, ModelPin) else pin.ref)
                if named != table and only in (None, pin):
                    raise InvalidName(
                        f"the XCom of the task {output.operator.task_id} holds a pin of {named},"
                        f" and that task writes {table}: the XCom was edited; clear"
                        f" {output.operator.task_id}, and it makes a pin of its own"
                    )


def _pins_of(value: object) -> Iterator[BatchPin | ModelPin]:
    if isinstance(value, ModelPin):
        yield value
    else:
        yield from pins_in(value)


def _field(task: Any, field: str) -> Any:
    """Return a field as in the DAG file; of a mapped task, for all of its instances."""
    if not is_mapped(task):
        return getattr(task, field, None)
    each = task.expand_input.value
    return task.partial_kwargs.get(field) or (
        each.get(field) if isinstance(each, Mapping) else None
    )


def _as_written(task: Any, field: str, context: Context) -> Any:
    """Return a field as in the DAG file; of a mapped task, for the running instance."""
    if not is_mapped(task):
        return getattr(task, field, None)
    shared = task.partial_kwargs.get(field)
    # A mapped function has its arguments expanded, not its fields.
    decorated = getattr(task, "op_kwargs_expand_input", None)
    if decorated is None:
        return _of_instance(task.expand_input, context).get(field, shared)
    return (
        {**(shared or {}), **_of_instance(decorated, context)} if field == "op_kwargs" else shared
    )


def _of_instance(expanded: Any, context: Context) -> Mapping[str, Any]:
    """Return the running instance's arguments of ``expand``, outputs unresolved."""
    each = expanded.value
    if isinstance(each, Mapping):
        if all(map(_is_resolved, each.values())):
            return each
        own, _ = expanded.resolve(context)  # of a list in the DAG file, its item
        return {name: value if _is_resolved(value) else own[name] for name, value in each.items()}
    one = each[context["ti"].map_index or 0] if isinstance(each, Sequence) else None
    return one if isinstance(one, Mapping) else {}  # another task returned all arguments


def _is_resolved(value: Any) -> bool:
    """Return whether a value is an output, or an argument of a mapped task group."""
    return hasattr(value, "resolve")


def _outputs(written: Any, value: Any, context: Context) -> Iterator[tuple[Any, Any]]:
    """Yield each output in a field of the DAG file, with its rendered value."""
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
