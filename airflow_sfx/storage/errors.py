"""Faults of a store as `WarehouseUnavailable`, with reason and remedy."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.error_text import safe_cause, safe_message

T = TypeVar("T")

_REMEDIES: dict[int | str, str] = {
    errno.ENOSPC: "Free space on the device and try again",
    errno.EFBIG: "Raise the limit on the size of files and try again",
    errno.EACCES: "Give this user permission",
    errno.EROFS: "Use a warehouse on a writable file system",
    errno.EOPNOTSUPP: "Use a file system that has hard links",
    "PermissionDeniedError": "Give these credentials permission",
    "UnauthenticatedError": "Check the access key and its secret",
}
"""By the number of an error of the operating system, or by the name of obstore's exception."""


def storage_errors(
    kinds: tuple[type[Exception], ...], verb: str, where: str, action: Callable[[], T]
) -> T:
    """Run an action, and raise its faults as `WarehouseUnavailable`.

    Args:
        kinds: The storage's own exceptions.
        verb: What the action does, for the message: ``write``, ``read``.
        where: The object, as a URI without secrets.
        action: The action.

    Returns:
        What the action returned.

    Raises:
        WarehouseUnavailable: The action raised one of ``kinds``.
    """
    try:
        return action()
    except kinds as error:
        number = error.errno if isinstance(error, OSError) else None
        remedy = _REMEDIES.get(
            type(error).__name__ if number is None else number,
            "Check that the storage exists and try again",
        )
        raise WarehouseUnavailable(
            f"cannot {verb} {where}: {safe_message(error)}. {remedy}; existing objects are"
            " unchanged"
        ) from safe_cause(error)
