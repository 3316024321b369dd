"""What a load gives beside the rows, in words that are equal where it is the same: for whoever compares two frames."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.serde import compact
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.pandas.frame import memory_of
from airflow_sfx.frames.pandas.objects import Spec
from airflow_sfx.frames.schema.kinds import parts_of
from airflow_sfx.frames.types.hive import is_list
from airflow_sfx.frames.types.logical import LogicalSchema

_SHOWN = 6
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Look:
    """What a load gives beside the rows.

    Args:
        names: The columns' names by the names in lower case, in the frame's order.
        meanings: What each column is, by the names in lower case: its logical type, and pandas'
            dtype where another one is meant than the type has by itself. Units of time, zones,
            frequencies, kinds of null and categories are part of it, also the order of those that
            have one. The widths of offsets and codes are not.
        beside: What the frame has beside its columns: pandas' index, the name of the columns' axis,
            attrs.

    Example:
        >>> look = Look.of(pa.table({"At": pa.array([0], pa.timestamp("s", "Asia/Tokyo")), "s": ["a"]}))
        >>> look.meanings
        {'at': 'timestamp[s, tz=Asia/Tokyo]', 's': 'string'}
    """

    names: Mapping[str, str]
    meanings: Mapping[str, str]
    beside: str

    @classmethod
    def of(cls, table: pa.Table) -> Look:
        """The look of a frame that was loaded as Arrow."""
        logical = LogicalSchema.of(table)
        memory = memory_of(table.schema)
        records: Mapping[str, Spec] = (memory or {}).get("columns", {})
        return cls(
            {name.lower(): name for name in table.column_names},
            {
                name.lower(): _meaning(logical, name, records.get(name))
                for name in table.column_names
            },
            _beside(table.schema, memory),
        )


def shortened(text: str) -> str:
    """A text that is shown to people: the beginning of a long one, and what tells it from others that begin so."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({_digest(text)})"


def _meaning(logical: LogicalSchema, name: str, record: Spec | None) -> str:
    kind: Any = logical.schema.field(name).type
    own = parts_of(kind, record).get("")
    if types.is_dictionary(kind):
        categories = [str(value) for value in logical.dictionaries[name]]
        told = (
            f", ordered: {_listed(categories, ' < ')}"
            if kind.ordered
            else f": {_listed(sorted(categories), ', ')}"
        )
        values = _text(kind.value_type) if own is None or own in _TOLD else own
        text = f"category of {values}{told}"
    else:
        plain = _text(kind)
        text = plain if own is None or own in _TOLD else f"{own} as {plain}"
    flavour = _flavour(record)
    return shortened(f"{text} ({flavour})" if flavour else text)


def _flavour(record: Spec | None) -> str:  # noqa: PLR0911  a table of records
    """As what pandas has a column, where that is not what it makes of the type by itself."""
    match record:
        case {"kind": "category" | "interval", "values": inner}:
            return _flavour(inner)
        case {"kind": "empty", "dtype": dtype}:
            return f"{dtype} without values"
        case {"kind": "masked"}:
            return "nullable"
        case {"kind": "arrow", "type": kind}:
            return f"{kind} of pyarrow"
        case {"kind": "string", "storage": storage, "na": null}:
            return f"{storage}, null is {null}"
        case {"kind": "object", "type": _, "of": of, "null": null, **more}:
            return f"objects of {of}, null is {null}{f', {compact(more)}' if more else ''}"
    return ""  # the type, or the period or interval that it is, says it all


def _beside(schema: pa.Schema, memory: Mapping[str, Any] | None) -> str:
    if memory is not None:
        told = {name: value for name, value in sorted(memory.items()) if name != "columns"}
        return compact(told) if told else ""
    with contextlib.suppress(
        ValueError, AttributeError
    ):  # what another program noted is none of pandas' records
        noted = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        told = {
            name: value
            for name, value in noted.items()
            if name not in ("creator", "pandas_version")
        }
        return compact(told) if told else ""
    return ""


_TOLD = frozenset({"duration", "time of day", "timestamp with time zone", "uint64", "open"})
"""What Arrow's own type says, too."""


def _text(kind: AnyType) -> str:  # noqa: PLR0911  a table of types, in order
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _text(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return "string"
    if (
        types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    ):
        return "binary"
    if types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if types.is_date32(kind):
        return "date"
    if is_list(kind):
        return f"list<{_text(kind.value_type)}>"
    if types.is_map(kind):
        return f"map<{_text(kind.key_type)}, {_text(kind.item_type)}>"
    if types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_text(field.type)}' for field in kind.fields)}>"
    return str(kind)


def _listed(values: Sequence[str], between: str) -> str:
    if len(values) <= _SHOWN:
        return between.join(values)
    return f"{between.join(values[:_SHOWN])}{between}… ({len(values)}, {_digest(repr(values))})"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
