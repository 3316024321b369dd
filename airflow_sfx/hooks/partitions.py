"""The partition that a task writes, checked before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import partition_value
from airflow_sfx.serde.partition_key import partition_of_key


def run_partition(context: Mapping[str, Any]) -> str | list[str]:
    """Return the partition of a run.

    It is the run's partition key, else its logical date as ``ds_nodash``.

    Args:
        context: The task's context.

    Returns:
        The partition's value; a list of values if the key names several.

    Raises:
        InvalidName: The run has neither, or the task is mapped: its instances would replace each
            other's batch.
    """
    ti = context["ti"]
    if ti.map_index is not None and ti.map_index >= 0:
        raise InvalidName(
            f"the mapped task {ti.task_id} does not say which partition each of its instances"
            ' writes, and all of them would write the same: set partitions=, such as ["{{'
            ' task.op_kwargs.day }}"] for the mapped argument day'
        )
    key = context.get("partition_key")
    if key:
        values = partition_of_key(str(key)).values
        return values[0] if len(values) == 1 else list(values)
    value = context.get("ds_nodash")
    if not value:
        raise InvalidName(
            f"the run of the task {ti.task_id} has neither a partition key nor a logical date: set"
            " partitions= to the partition to write, or to [] for a table without partitions"
        )
    return str(value)


def check_rendered(rendered: Sequence[Any], templates: Sequence[Any], task_id: str) -> None:
    """Check the rendered ``partitions=`` of a task.

    Args:
        rendered: The values, or lists of values.
        templates: The values in the DAG file.
        task_id: The task, for the message.

    Raises:
        InvalidName: A value is not a partition value, or another task's output is empty. The
            message has the task and the template.

    Example:
        >>> check_rendered(["20161031"], ["{{ ds_nodash }}"], "load")
    """
    if templates and not any(True for _ in _values(rendered)):
        raise InvalidName(
            f"the task {task_id} has partitions={templates!r}, which became {rendered!r} and names"
            " none: write partitions=[] if the table has no partitions"
        )
    for value in _values(rendered):
        try:
            partition_value(value)
        except InvalidName as error:
            raise InvalidName(
                f"the task {task_id} has partitions={templates!r}, which became {rendered!r}, and"
                f" {error}"
            ) from error


def _values(partitions: Sequence[Any]) -> Iterator[Any]:
    for item in partitions:
        if isinstance(item, (list, tuple)):
            yield from item
        else:
            yield item
