"""Errors as replies: what happened, to what, and what to do."""

from __future__ import annotations

import errno
import logging
import re
from typing import Any

from airflow_sfx.core.errors import SfxError

_log = logging.getLogger(__name__)

_REMEDIES = {
    "TableNotFound": "list the tables with sf_tables()",
    "PartitionNotFound": "see what the table has with sf_history(namespace, resource)",
    "BatchNotFound": "see the batches with sf_history(namespace, resource)",
    "SchemaMismatch": "convert the columns of the data frame to the types of the table",
    "StaleAttempt": "nothing: the newer attempt of the task has written",
    "CommitConflict": "read the table again, and repeat the call",
    "CheckFailed": "correct the data, or publish the staged batch with sf_publish()",
    "WarehouseUnavailable": "see sf_sitrep(), and repeat the call",
    "InvalidName": "correct the argument",
}
"""What to do, for errors whose rule says nothing about it."""
_SAY_BOTH = ("InvalidName", "ModelRefused", "SchemaMismatch")
"""Errors whose rule ends with what to do, after a colon."""
_ASK = "see the help page of the call, and sf_sitrep()"


def error_reply(error: Exception) -> dict[str, Any]:
    """Describe an error.

    Args:
        error: The error.

    Returns:
        JSON members: ``class`` in snake case, ``what``, ``which``, ``remedy``, and the facts.

    Example:
        >>> from airflow_sfx.core.errors import PartitionNotFound
        >>> reply = error_reply(PartitionNotFound("it does not exist", partition="20161031"))
        >>> reply["class"], reply["which"]
        ('partition_not_found', 'partition 20161031')
    """
    if isinstance(error, SfxError):
        name = type(error).__name__
        facts = {"table": error.table, "partition": error.partition, "batch": error.batch_id}
        named = [f"{key} {value}" for key, value in facts.items() if value]
        rule, remedy = error.cli_rule or error.rule, error.cli_remedy or error.remedy
        if not remedy and name in _SAY_BOTH:
            rule, remedy = _divided(rule)
        return {
            "class": re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(),
            "what": rule,
            "which": ", ".join(named),
            "remedy": remedy or _REMEDIES.get(name, _ASK),
            **facts,
        }
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return {
            "class": "disk_full",
            "what": "the disk of the temporary directory is full: no frame could be passed",
            "which": f"file {error.filename}" if error.filename else "",
            "remedy": "free space, or start R with TMPDIR set to a larger disk",
        }
    if isinstance(error, MemoryError):
        return {
            "class": "out_of_memory",
            "what": "there is not enough memory for the frame",
            "which": "",
            "remedy": "read fewer columns or rows, with columns = and filter =",
        }
    _log.warning("an unexpected error", exc_info=error)
    return {
        "class": "unexpected",
        "what": f"{type(error).__name__}: {error}",
        "which": "",
        "remedy": _ASK,
    }


def _divided(rule: str) -> tuple[str, str]:
    """Return a rule without what it says to do, and that; a colon in a quoted value is none.

    Example:
        >>> _divided("the column 'a: b' is text: pass numbers")
        ("the column 'a: b' is text", 'pass numbers')
        >>> _divided("there is no column 'a: b'")
        ("there is no column 'a: b'", '')
    """
    what, colon, remedy = rule.rpartition(": ")
    if not colon or what.count("'") % 2 or what.count('"') % 2:
        return rule, ""
    return what, remedy
