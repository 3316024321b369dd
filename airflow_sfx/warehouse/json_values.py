"""Results as JSON, for the command line and the web API."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from enum import Enum

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import ColumnKind


def plain(value: object) -> object:  # noqa: PLR0911  a table of types, in order
    """Convert a value to plain JSON types.

    Args:
        value: The value.

    Returns:
        The converted value.

    Example:
        >>> plain({"at": datetime(2016, 10, 31, tzinfo=UTC), "ratio": float("nan"), "code": b"ab"})
        {'at': '2016-10-31T00:00:00+00:00', 'ratio': None, 'code': '6162'}
    """
    if isinstance(value, BatchPin):
        return json.loads(value.to_json())
    if isinstance(value, ColumnKind):
        return value.description
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else (None if math.isnan(value) else str(value))
    if isinstance(value, datetime):
        return _in_utc(value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return str(value)


def _in_utc(moment: datetime) -> datetime:
    """Convert a time with a zone to UTC, unless it is beyond Python's years."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment
    except OverflowError:
        return moment
