"""Notifications: Airflow's notifiers are called for what a task did to its table.

The events are a publish, a rollback, a failed check, and a change that another engine had made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from airflow_sfx.core.errors import CheckFailed, InvalidName

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.manifest import Manifest
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.warehouse.log.events import Committed, Loaded

EVENTS = ("publish", "rollback", "failed_check", "foreign_change")

Notify = Mapping[str, Sequence[Callable[["Context"], object]]]
"""Notifiers by event: Airflow's, or functions of the task's context.

The context has ``batch``, which describes the event.
"""


def checked(notify: Notify | None, task_id: str) -> Notify:
    """Check an operator's ``notify`` when the DAG file is parsed.

    Args:
        notify: Lists of notifiers by event, or None.
        task_id: The task, for messages.

    Returns:
        The same lists; empty for None.

    Raises:
        InvalidName: An event is unknown, or its value is not a list of notifiers.
    """
    found = dict(notify or {})
    for event, notifiers in found.items():
        if event not in EVENTS:
            raise InvalidName(
                f"the task {task_id} has notify={{{event!r}: …}}: the events are"
                f" {', '.join(EVENTS)}"
            )
        if (
            isinstance(notifiers, str)
            or not isinstance(notifiers, Sequence)
            or not all(callable(one) for one in notifiers)
        ):
            raise InvalidName(
                f"the task {task_id} has notify={{{event!r}: {notifiers!r}}}: pass a list of"
                " notifiers"
            )
    return found


@contextmanager
def notifying(task: Any, context: Context) -> Iterator[None]:
    """Call an operator's notifiers for the events of a block when the block ends.

    Args:
        task: The operator, with ``notify``.
        context: The task's context.
    """
    if not task.notify:
        yield
        return
    from airflow_sfx.warehouse.log.events import Committed, subscribe, unsubscribe

    batches: list[dict[str, Any]] = []

    def collect(work: Committed | Loaded) -> None:
        if isinstance(work, Committed):
            batches.append(_of_commit(work))

    subscribe(collect)
    try:
        yield
    except CheckFailed as error:
        batches.append(_of_failed_check(error))
        raise
    finally:
        unsubscribe(collect)
        for batch in batches:
            _notify(task, context, batch)


def notify_of_batch(
    task: Any, context: Context, pin: BatchPin, manifests: Sequence[Manifest]
) -> None:
    """Call an operator's notifiers for a batch that another process published.

    Args:
        task: The operator, with ``notify``.
        context: The task's context.
        pin: The pin of the batch.
        manifests: Its manifests.
    """
    batch = {
        "event": "publish",
        "table": str(pin.ref),
        "batches": pin.batches,
        "partitions": len(pin.batches),
        "rows": sum(one.rows for one in manifests),
        "bytes": sum(one.bytes for one in manifests),
        "message": f"publish of {pin}",
    }
    _notify(task, context, batch)


def _notify(task: Any, context: Context, batch: dict[str, Any]) -> None:
    for one in task.notify.get(batch["event"], ()):
        notifier = copy.copy(one)  # renders its templates in place, and may be called again
        try:
            notifier(cast("Context", {**context, "batch": batch}))
        except Exception:  # the change is committed: the task does not fail because of it
            task.log.exception("A notifier of %s failed", batch["event"])


def _of_commit(work: Committed) -> dict[str, Any]:
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


def _of_failed_check(error: CheckFailed) -> dict[str, Any]:
    batches = {error.partition: error.batch_id} if error.partition is not None else {}
    return {
        "event": "failed_check",
        "table": error.table,
        "batches": batches,
        "message": str(error),
    }
