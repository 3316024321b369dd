"""Whether a pin is of the table that the task it comes from writes: XCom can be edited, and a pin of another table loads well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.operators.arguments import pins_in


def table_of_output(output: Any) -> str | None:
    """The table of the task whose output this is.

    Args:
        output: What a DAG file passes on: ``write()`` or ``write.output``.

    Returns:
        ``database.table``; None where the DAG file does not say it: the task has none, or a template.
    """
    operator: Any = getattr(output, "operator", None)
    kind = getattr(operator, "operator_class", type(operator))  # of a mapped task
    if not any(one.__module__.startswith("airflow_sfx.") for one in kind.__mro__):
        return None
    said = getattr(operator, "partial_kwargs", {})
    if getattr(operator, "tables", None) or said.get("tables"):
        return None  # it pins several
    table = getattr(operator, "table", None) or said.get("table")
    if table is None and getattr(operator, "pin", None) is not None:
        return table_of_output(operator.pin)  # a task that passes a pin on
    return str(TableRef.parse(table)) if isinstance(table, str) and table and "{" not in table else None


def refuse_swapped(task: Any, *fields: str) -> None:
    """Refuse pins of other tables than the DAG file says.

    Args:
        task: The task that runs, with what its fields are now.
        fields: The fields in which pins come.

    Raises:
        InvalidName: A pin is not of the table that the task it comes from writes.
    """
    dag = getattr(task, "dag", None)
    written = dag.task_dict.get(task.task_id) if dag is not None else None
    for field in fields:
        for output, value in _outputs(_as_written(written, field), getattr(task, field)):
            table = table_of_output(output)
            for pin in pins_in(value) if table else ():
                if str(pin.ref) != table:
                    raise InvalidName(
                        f"the XCom of the task {output.operator.task_id} holds a pin of {pin.ref}, and that task writes "
                        f"{table}: the XCom was edited; clear {output.operator.task_id}, and it makes a pin of its own"
                    )


def _as_written(task: Any, field: str) -> Any:
    """A field as the DAG file has it; of a mapped task, what is the same for all of its instances."""
    return getattr(task, field, None) or getattr(task, "partial_kwargs", {}).get(field)


def _outputs(written: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """Each output of another task in a field as written, with what has become of it."""
    if getattr(written, "key", None) == "return_value":
        yield written, value
    elif isinstance(written, Mapping) and isinstance(value, Mapping):
        for name in written.keys() & value.keys():
            yield from _outputs(written[name], value[name])
    elif isinstance(written, (list, tuple)) and isinstance(value, Sequence) and len(written) == len(value):
        for one, other in zip(written, value, strict=True):
            yield from _outputs(one, other)
