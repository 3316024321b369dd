"""What becomes of a storage's own errors: one kind, that names the object, the reason and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.error_text import safe_cause, safe_message

T = TypeVar("T")

_REMEDIES = {
    "No space left": "Free space on the device and try again",
    "File too large": "Raise the limit on the size of files and try again",
    "Permission denied": "Give this user the right to it",
    "Read-only file system": "Use a warehouse on a file system that can be written",
    "PermissionDenied": "Give these credentials the right to it",
    "Unauthenticated": "Check the access key and its secret",
    "Operation not supported": "Use a file system that has hard links",
}


def storage_errors(
    kinds: tuple[type[Exception], ...], verb: str, where: str, action: Callable[[], T]
) -> T:
    """Do something, and report a fault of the storage as `WarehouseUnavailable`.

    Args:
        kinds: The storage's own errors.
        verb: What is done, for the message: ``write``, ``read``.
        where: To what, as a URI without secrets.
        action: What to do.

    Returns:
        What the action returned.

    Raises:
        WarehouseUnavailable: The action failed with one of ``kinds``.
    """
    try:
        return action()
    except kinds as error:
        known = (remedy for mark, remedy in _REMEDIES.items() if mark in str(error))
        remedy = next(known, "Check that the storage is there and try again")
        raise WarehouseUnavailable(
            f"cannot {verb} {where}: {safe_message(error)}. {remedy}; nothing that was there is"
            " changed"
        ) from safe_cause(error)
