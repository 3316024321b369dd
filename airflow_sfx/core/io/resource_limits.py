"""Exhausted resources: descriptors, memory, threads and disks."""

from __future__ import annotations

import errno

from airflow_sfx.core.errors import WarehouseUnavailable

_SCARCE = {
    errno.EMFILE: (
        "this process has too many files open: raise its limit (ulimit -n), or close some"
    ),
    errno.ENFILE: (
        "this machine has too many files open: raise its limit (fs.file-max), or close some"
    ),
    errno.ENOMEM: (
        "there is not enough memory: give the process more, or read less at once with batches=True"
    ),
    errno.EAGAIN: (
        "no more threads or processes can be started: raise the limit (ulimit -u), or end some"
    ),
    errno.ENOSPC: "there is no space left on the device: free some",
    errno.EDQUOT: "the quota on the device is used up: free some space",
}
_WITHOUT_NUMBER = {
    "Cannot allocate memory": errno.ENOMEM,
    "Resource temporarily unavailable": errno.EAGAIN,
    "can't start new thread": errno.EAGAIN,
}
"""Messages of pyarrow and Python without an error number."""


def resource_error(error: BaseException, doing: str) -> WarehouseUnavailable | None:
    """Return the error for an exhausted resource; None for other faults.

    Args:
        error: The fault.
        doing: What was being done, for the message.

    Example:
        >>> print(resource_error(OSError(24, "Too many open files"), "reading"))
        reading failed for lack of a resource: this process has too many files open: raise its \
limit (ulimit -n), or close some
    """
    number = error.errno if isinstance(error, OSError) and error.errno else None
    if number is None:
        number = next(
            (code for words, code in _WITHOUT_NUMBER.items() if words in str(error)), None
        )
    reason = _SCARCE.get(number or 0)
    return (
        WarehouseUnavailable(f"{doing} failed for lack of a resource: {reason}") if reason else None
    )
