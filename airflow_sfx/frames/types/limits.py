"""How deep and how wide a nested column may be, and in which time zones, so that whatever reads tables reads it."""

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
"""How many lists, maps and structs a column may have inside one another.

Arrow's own messages end at 64 levels, of which a map takes two, and pyarrow reads no Parquet file
of more than 100, of which lists and maps take two: from 32 on one of them fails.
"""
MAX_TYPE_TEXT = 32_000
"""How many characters the Hive type of a column may have: a Hive Metastore on Derby keeps 32,672."""


def check_levels(field: AnyField) -> None:
    """Refuse a column that is nested too deeply, before anything follows its type down.

    Args:
        field: The column.

    Raises:
        SchemaMismatch: It is; the message names the column.

    Example:
        >>> check_levels(pa.field("pairs", pa.list_(pa.list_(pa.int64()))))
    """
    kinds: list[Any] = [field.type]
    levels = 0
    while kinds:
        kinds = [one for kind in kinds for one in _inner(_plain(kind))]
        levels += bool(kinds)
        if levels > MAX_LEVELS:
            raise _too_deep(field.name)


def check_zones(field: AnyField) -> None:
    """Refuse a column of times in a zone that nobody knows: it could be stored, and no reader shows its times.

    Args:
        field: The column.

    Raises:
        SchemaMismatch: It has one; the message names the column.

    Example:
        >>> check_zones(pa.field("at", pa.timestamp("us", "Europe/Berlin")))
    """
    kinds: list[Any] = [field.type]
    while kinds:
        kind = _plain(kinds.pop())
        if types.is_timestamp(kind) and kind.tz is not None and not _is_zone(kind.tz):
            raise SchemaMismatch(
                f"column {field.name!r} cannot be stored: its times are in the zone"
                f" {kind.tz!r:.60}, which the time zone database does not have: convert it to one"
                " that it has, such as UTC or Europe/Berlin"
            )
        kinds.extend(_inner(kind))


def check_objects(values: Iterable[object], name: str) -> None:
    """Refuse Python objects that are nested too deeply, or hold themselves: Arrow follows them down until the process ends.

    Args:
        values: The values of a column.
        name: The column.

    Raises:
        SchemaMismatch: One is; the message names the column.

    Example:
        >>> check_objects([[1, [2]], None], "pairs")
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
    """Refuse a Hive type that a metastore has no room for.

    Args:
        name: The column.
        text: Its Hive type.

    Returns:
        The type.

    Raises:
        SchemaMismatch: It is too long.

    Example:
        >>> check_type_text("n", "bigint")
        'bigint'
    """
    if len(text) > MAX_TYPE_TEXT:
        raise SchemaMismatch(
            f"column {name!r} cannot be stored: its Hive type, {text[:60]}…, has {len(text):,}"
            f" characters, and a Hive Metastore has room for {MAX_TYPE_TEXT:,}: make columns of its"
            " fields, or a map, or store it as text, such as JSON"
        )
    return text


@lru_cache(maxsize=256)
def _is_zone(name: str) -> bool:
    try:
        pa.scalar(0, pa.timestamp("s", name)).as_py()
    except (
        LookupError,
        ValueError,
        pa.ArrowException,
    ):  # pytz and zoneinfo each have their own errors
        return False
    return True


def _too_deep(name: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"column {name!r} cannot be stored: it has more than {MAX_LEVELS} lists, maps or structs"
        " inside one another, which not all readers of Parquet follow: store it as text, such as"
        " JSON, or flatten it"
    )


def _containers(values: Iterable[object]) -> dict[int, Any]:
    """Those of some values that hold others, each once."""
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
