"""Partition values, which the metastore and paths have as text, as values of their type."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.frames.hive import arrow_type_of_key

_TRUTH = {"true": True, "false": False}


def key_scalar(text: str, hive: str, where: str = "") -> pa.Scalar[Any]:
    """A partition value as an Arrow value.

    Args:
        text: The value as Hive writes it.
        hive: The key's Hive type.
        where: Whose value it is, for messages.

    Returns:
        The value.

    Raises:
        SchemaMismatch: A partition key cannot have that type.
        InconsistentBatch: The text is no value of it.

    Example:
        >>> key_scalar("2016-10-31", "date")
        <pyarrow.Date32Scalar: datetime.date(2016, 10, 31)>
    """
    kind = arrow_type_of_key(hive)
    value: object = text
    try:
        if hive == "date":
            value = dt.date.fromisoformat(text)
        elif hive == "timestamp":
            value = dt.datetime.fromisoformat(text)
        elif hive == "boolean":
            value = _TRUTH[text.lower()]
        elif hive != "string":
            value = int(text)
        return pa.scalar(value, kind)
    except (ValueError, KeyError, OverflowError, pa.ArrowException) as error:
        raise InconsistentBatch(
            f"the partition value {text!r} is no {hive}, which the key's type is{f' ({where})' if where else ''}: "
            "the table was changed by something else"
        ) from error
