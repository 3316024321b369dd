"""Checks that the pins of plain tasks are of the expected tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx.warehouse.log.events import add_pin_guard

if TYPE_CHECKING:
    from airflow_sfx.core.pin import BatchPin

_FIELDS = ("op_args", "op_kwargs")


def register() -> None:
    """Check every pin that a task of this process uses from now on."""
    add_pin_guard(refuse_foreign_pins)


def refuse_foreign_pins(pin: BatchPin) -> None:
    """Reject a pin of another table than the DAG file names; only in tasks.

    Args:
        pin: A pin that is about to be used.

    Raises:
        InvalidName: The XCom of a task holds a pin of a table that the task does not write.
    """
    from airflow.sdk import get_current_context

    try:
        context = get_current_context()
    except RuntimeError:  # a notebook, the page, the command line
        return
    task = context["task"]
    fields = [field for field in _FIELDS if hasattr(task, field)]
    if fields:
        from airflow_sfx.hooks.pin_guard import refuse_foreign_pin

        refuse_foreign_pin(task, context, *fields, only=pin)
