"""Notifications of what a task did to its table.

Airflow's notifiers are told of a publish, a rollback, a check that said no, and a change that
something else had made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow_sfx.core.errors import CheckFailed, InvalidName

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.warehouse.log.events import Committed, Loaded

EVENTS = ("publish", "rollback", "failed_check", "foreign_change")

Notify = Mapping[str, Sequence[Callable[["Context"], object]]]
"""For each event, whom to tell: Airflow's notifiers, or functions of the task's context; its ``batch`` says what happened."""

_Result = TypeVar("_Result")


def checked(notify: Notify | None, task_id: str) -> Notify:
    """What an operator is given, looked at when the DAG file is parsed.

    Args:
        notify: For each event, whom to tell; None for nobody.
        task_id: The task, for messages.

    Returns:
        The same; empty for None.

    Raises:
        InvalidName: An event is unknown, or something cannot be told.
    """
    found = dict(notify or {})
    for event, told in found.items():
        if event not in EVENTS:
            raise InvalidName(
                f"the task {task_id} has notify={{{event!r}: …}}: the events are"
                f" {', '.join(EVENTS)}"
            )
        if (
            isinstance(told, str)
            or not isinstance(told, Sequence)
            or not all(callable(one) for one in told)
        ):
            raise InvalidName(
                f"the task {task_id} has notify={{{event!r}: {told!r}}}: give a list of notifiers"
            )
    return found


def notifies(execute: Callable[[Any, Context], _Result]) -> Callable[[Any, Context], _Result]:
    """Make an operator's ``execute`` tell those in its ``notify`` what it did, when it ends, well or not.

    Args:
        execute: The method.

    Returns:
        The method that tells.
    """

    @wraps(execute)
    def told(self: Any, context: Context) -> _Result:
        if not self.notify:
            return execute(self, context)
        from airflow_sfx.warehouse.log.events import Committed, subscribe, unsubscribe

        seen: list[dict[str, Any]] = []

        def listen(work: Committed | Loaded) -> None:
            if isinstance(work, Committed):
                seen.append(_committed(work))

        subscribe(listen)
        try:
            return execute(self, context)
        except CheckFailed as error:
            seen.append(_refused(error))
            raise
        finally:
            unsubscribe(listen)
            for batch in seen:
                _tell(self, context, batch)

    return told


def _tell(task: Any, context: Context, batch: dict[str, Any]) -> None:
    for one in task.notify.get(batch["event"], ()):
        notifier = copy.copy(
            one
        )  # it renders its templates in place, and there may be another event
        try:
            notifier(cast("Context", {**context, "batch": batch}))
        except Exception:  # what was done is done: the task does not fail for it
            task.log.exception("A notifier of %s failed", batch["event"])


def _committed(work: Committed) -> dict[str, Any]:
    batches = dict(work.pin.batches) if work.pin else {}
    return {
        "event": work.operation,
        "table": work.table,
        "batches": batches,
        "partitions": work.partitions,
        "rows": work.rows,
        "bytes": work.bytes,
        "message": f"{work.operation.replace('_', ' ')} of {work.pin or work.table}",
    }


def _refused(error: CheckFailed) -> dict[str, Any]:
    batches = {error.partition: error.batch_id} if error.partition is not None else {}
    return {
        "event": "failed_check",
        "table": error.table,
        "batches": batches,
        "message": str(error),
    }
