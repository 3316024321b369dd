"""Tables in types that polars supports, with every value unchanged.

polars lacks some of Arrow's types, and converts seconds to milliseconds without an overflow check.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyColumn, AnyField, AnyType
from airflow_sfx.frames.types.casts import convert_chunks, widen_array
from airflow_sfx.frames.types.families import is_list


def polars_type(kind: AnyType) -> AnyType:  # noqa: PLR0911  a table of types, in order
    """Return the Arrow type to convert a column to, so that polars can import it.

    Args:
        kind: The column's Arrow type.

    Returns:
        A type that holds the same values; the type itself if polars supports it.

    Example:
        >>> polars_type(pa.duration("s")), polars_type(pa.date64()), polars_type(pa.int8())
        (DurationType(duration[ms]), DataType(date32[day]), DataType(int8))
    """
    wide: Any = kind
    if types.is_decimal256(kind):
        return pa.decimal128(wide.precision, wide.scale)
    if types.is_date64(kind):
        return pa.date32()
    if types.is_timestamp(kind) and wide.unit == "s":
        return pa.timestamp("ms", wide.tz)
    if types.is_duration(kind) and wide.unit == "s":
        return pa.duration("ms")
    if types.is_run_end_encoded(kind):
        return polars_type(wide.value_type)
    if types.is_dictionary(kind):
        plain = polars_type(wide.value_type)
        return kind if plain == wide.value_type else plain
    if types.is_map(kind):
        return pa.map_(polars_type(wide.key_type), polars_type(wide.item_type))
    if types.is_struct(kind):
        fields = [wide.field(i) for i in range(wide.num_fields)]
        return pa.struct([field.with_type(polars_type(field.type)) for field in fields])
    if types.is_fixed_size_list(kind):
        return pa.list_(polars_type(wide.value_type), wide.list_size)
    if is_list(kind):
        return pa.list_(polars_type(wide.value_type))
    return kind


def polars_table(table: pa.Table) -> pa.Table:
    """Convert a table to types that polars supports.

    Args:
        table: The table.

    Returns:
        The same rows, without the table's metadata.

    Raises:
        SchemaMismatch: A value is out of range for polars' type; the message names the column.

    Example:
        >>> polars_table(pa.table({"t": pa.array([5], pa.duration("s"))})).schema.field("t").type
        DurationType(duration[ms])
    """
    fields: list[AnyField] = []
    columns: list[AnyColumn] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        target = polars_type(field.type)
        # The metadata of the field are kept: they have the categories of polars' enums.
        fields.append(field.with_type(target))
        try:
            columns.append(column if target == field.type else _converted(column, target))
        except pa.ArrowException as error:
            raise SchemaMismatch(
                f"polars cannot hold the column {field.name!r} ({field.type}): {error}. Leave it"
                ' out with columns=, or use as_="pandas" or as_="arrow"'
            ) from error
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _converted(column: AnyColumn, target: AnyType) -> AnyColumn:
    if types.is_fixed_size_list(target):  # Arrow's cast also converts the items
        return column.cast(target)
    return convert_chunks(column, target, widen_array)
