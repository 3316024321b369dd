"""Limits that all readers support: nesting, length of Hive types, time zones."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyField

MAX_LEVELS = 24
"""How many lists, maps and structs a column may nest.

Arrow IPC supports 64 levels, and a map counts as two. pyarrow reads Parquet files of up to 100
levels, and a list or map counts as two. One of them fails from 32 levels on.
"""
MAX_TYPE_TEXT = 32_000
"""The longest Hive type of a column, in characters: a Hive Metastore on Derby stores 32,672."""


def check_nesting(field: AnyField) -> None:
    """Reject a column that is nested too deeply, without recursion.

    Args:
        field: The column.

    Raises:
        SchemaMismatch: The column is nested too deeply; the message names it.

    Example:
        >>> check_nesting(pa.field("pairs", pa.list_(pa.list_(pa.int64()))))
    """
    kinds: list[Any] = [field.type]
    levels = 0
    while kinds:
        kinds = [one for kind in kinds for one in _inner(_plain(kind))]
        levels += bool(kinds)
        if levels > MAX_LEVELS:
            raise _too_deep(field.name)


def check_time_zones(field: AnyField) -> None:
    """Reject a column of times in an unknown time zone, which no reader could display.

    Args:
        field: The column.

    Raises:
        SchemaMismatch: The time zone is unknown; the message names the column.

    Example:
        >>> check_time_zones(pa.field("at", pa.timestamp("us", "Europe/Berlin")))
    """
    kinds: list[Any] = [field.type]
    while kinds:
        kind = _plain(kinds.pop())
        if types.is_timestamp(kind) and kind.tz is not None and not is_zone(kind.tz):
            raise SchemaMismatch(
                f"column {field.name!r} cannot be stored: its time zone {kind.tz!r:.60} is not in"
                " the time zone database. Convert it to a known zone, such as UTC or Europe/Berlin"
            )
        kinds.extend(_inner(kind))


def check_object_nesting(values: Iterable[object], name: str) -> None:
    """Reject Python objects that are nested too deeply or contain themselves.

    Arrow would recurse into them until the process crashes.

    Args:
        values: The values of a column.
        name: The column's name, for messages.

    Raises:
        SchemaMismatch: A value is nested too deeply; the message names the column.

    Example:
        >>> check_object_nesting([[1, [2]], None], "pairs")
    """
    level = _containers(values)
    for _ in range(MAX_LEVELS):
        if not level:
            return
        level = {
            key: one for outer in level.values() for key, one in _containers(_parts(outer)).items()
        }
    if level:
        raise _too_deep(name)


def check_type_text(name: str, text: str) -> str:
    """Reject a Hive type that is too long for a metastore.

    Args:
        name: The column's name, for messages.
        text: Its Hive type.

    Returns:
        The Hive type.

    Raises:
        SchemaMismatch: The Hive type is too long; the message names the column.

    Example:
        >>> check_type_text("n", "bigint")
        'bigint'
    """
    if len(text) > MAX_TYPE_TEXT:
        raise SchemaMismatch(
            f"column {name!r} cannot be stored: its Hive type, {text[:60]}…, has {len(text):,}"
            f" characters, and a Hive Metastore stores up to {MAX_TYPE_TEXT:,}. Use a column for"
            " each field, a map, or text such as JSON"
        )
    return text


@lru_cache(maxsize=256)
def is_zone(name: str) -> bool:
    """Return whether a time zone is in the database.

    Args:
        name: Its name.

    Returns:
        True if times can be stored in it.

    Example:
        >>> is_zone("Europe/Berlin"), is_zone("CEST")
        (True, False)
    """
    try:
        pa.scalar(0, pa.timestamp("s", name)).as_py()
    except (
        LookupError,
        ValueError,
        pa.ArrowException,
    ):
        # pytz and zoneinfo raise different errors.
        return False
    return True


def _too_deep(name: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"column {name!r} cannot be stored: it nests more than {MAX_LEVELS} lists, maps or"
        " structs, which not all readers of Parquet support. Flatten it, or store it as text such"
        " as JSON"
    )


def _containers(values: Iterable[object]) -> dict[int, Any]:
    """Return the values that contain others, each once, by their identity."""
    values = values if isinstance(values, Collection) else list(values)
    kinds = {
        kind
        for kind in set(map(type, values))
        if issubclass(kind, list | tuple | dict | np.ndarray)
    }
    return {id(value): value for value in values if type(value) in kinds} if kinds else {}


def _parts(outer: Any) -> Iterable[object]:
    if isinstance(outer, np.ndarray) and outer.dtype != object:
        return ()
    return outer.values() if isinstance(outer, dict) else outer


def _plain(kind: Any) -> Any:
    while (
        types.is_dictionary(kind) or types.is_run_end_encoded(kind) or hasattr(kind, "storage_type")
    ):
        kind = kind.storage_type if hasattr(kind, "storage_type") else kind.value_type
    return kind


def _inner(kind: Any) -> list[Any]:
    if types.is_map(kind):
        return [kind.key_type, kind.item_type]
    return (
        [kind.field(position).type for position in range(kind.num_fields)]
        if types.is_nested(kind)
        else []
    )
