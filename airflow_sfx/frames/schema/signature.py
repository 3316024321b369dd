"""The signature of a loaded frame: a description of all but its rows."""

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
from airflow_sfx.frames.pandas.metadata import Spec, column_specs, pandas_metadata_of
from airflow_sfx.frames.schema.kinds import kinds_by_path
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.logical import LogicalSchema

_LISTED_VALUES = 6
_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Signature:
    """A description of a loaded frame, equal for frames that differ in rows only.

    Args:
        names: The names of the columns by their names in lower case, in the frame's order.
        columns: The description of each column by its name in lower case: its logical type, and
            its pandas dtype if that is not the default of the type. Units, time zones,
            frequencies, kinds of null, and categories with their order are included; the widths of
            offsets and codes are not.
        extras: What the frame has besides its columns: the index, the name of the columns' axis,
            and ``attrs``.

    Example:
        >>> times = pa.array([0], pa.timestamp("s", "Asia/Tokyo"))
        >>> Signature.of(pa.table({"At": times, "s": ["a"]})).columns
        {'at': 'timestamp[s, tz=Asia/Tokyo]', 's': 'string'}
    """

    names: Mapping[str, str]
    columns: Mapping[str, str]
    extras: str

    @classmethod
    def of(cls, table: pa.Table) -> Signature:
        """Describe a frame that was loaded as Arrow."""
        logical = LogicalSchema.of(table)
        pandas_metadata = pandas_metadata_of(table.schema)
        specs = column_specs(table.schema)
        return cls(
            {name.lower(): name for name in table.column_names},
            {
                name.lower(): _describe_column(logical, name, specs.get(name))
                for name in table.column_names
            },
            _extras(table.schema, pandas_metadata),
        )


def shortened(text: str) -> str:
    """Shorten a long text for display, with a digest to keep texts distinct."""
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}… ({_digest(text)})"


def _describe_column(logical: LogicalSchema, name: str, spec: Spec | None) -> str:
    kind: Any = logical.schema.field(name).type
    own = kinds_by_path(kind, spec).get("")
    if types.is_dictionary(kind):
        categories = [str(value) for value in logical.dictionaries[name]]
        found = (
            f", ordered: {_listed(categories, ' < ')}"
            if kind.ordered
            else f": {_listed(sorted(categories), ', ')}"
        )
        values = _type_text(kind.value_type) if own is None or own in _IN_ARROW_TYPE else own
        text = f"category of {values}{found}"
    else:
        plain = _type_text(kind)
        text = plain if own is None or own in _IN_ARROW_TYPE else f"{own} as {plain}"
    dtype_text = _describe_dtype(spec)
    return shortened(f"{text} ({dtype_text})" if dtype_text else text)


def _describe_dtype(spec: Spec | None) -> str:  # noqa: PLR0911  a table of specs
    """Describe a column's pandas dtype; empty for the default of its type."""
    match spec:
        case {"kind": "category" | "interval", "values": inner}:
            return _describe_dtype(inner)
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
    return ""  # the type determines it, or the period or interval


def _extras(schema: pa.Schema, pandas_metadata: Mapping[str, Any] | None) -> str:
    if pandas_metadata is not None:
        found = {
            name: value for name, value in sorted(pandas_metadata.items()) if name != "columns"
        }
        return compact(found) if found else ""
    # pandas' own metadata, unless another program wrote something there that is not.
    with contextlib.suppress(ValueError, AttributeError):
        metadata = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
        found = {
            name: value
            for name, value in metadata.items()
            if name not in ("creator", "pandas_version")
        }
        return compact(found) if found else ""
    return ""


_IN_ARROW_TYPE = frozenset(
    {"duration", "time of day", "timestamp with time zone", "uint64", "open"}
)
"""Kinds that the Arrow type already determines."""


def _type_text(kind: AnyType) -> str:  # noqa: PLR0911  a table of types, in order
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _type_text(kind.value_type)
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
        return f"list<{_type_text(kind.value_type)}>"
    if types.is_map(kind):
        return f"map<{_type_text(kind.key_type)}, {_type_text(kind.item_type)}>"
    if types.is_struct(kind):
        fields = [f"{field.name}: {_type_text(field.type)}" for field in kind.fields]
        return f"struct<{', '.join(fields)}>"
    return str(kind)


def _listed(values: Sequence[str], between: str) -> str:
    if len(values) <= _LISTED_VALUES:
        return between.join(values)
    first = between.join(values[:_LISTED_VALUES])
    return f"{first}{between}… ({len(values)}, {_digest(repr(values))})"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
