"""Arrow types to files' types and back, at any depth, and into a table that has become wider."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames.outputs import SourceFile, read_table
from airflow_sfx.frames.schema.codec import schema_from_text, schema_to_text
from airflow_sfx.frames.schema.physical import from_physical, physical_schema, to_physical
from airflow_sfx.frames.types.logical import LogicalSchema
from tests.frames.builders import parquet, stored


def coded(values: pa.Array, *, index: pa.DataType | None = None, ordered: bool = False) -> pa.Array:
    codes: Any = pa.array([1, None, 0], index or pa.int8())
    return pa.DictionaryArray.from_arrays(codes, values, ordered=ordered)


BERLIN = "Europe/Berlin"
ARRAYS: dict[str, pa.Array] = {
    "time32": pa.array([1, None], pa.time32("s")),
    "time64": pa.array([1, None], pa.time64("ns")),
    "duration": pa.array([1, None], pa.duration("ns")),
    "date64": pa.array([0, None, -86_400_000], pa.date64()),
    "list of time32": pa.array([[1], None, []], pa.list_(pa.time32("s"))),
    "list of null": pa.array([[None], None, []], pa.list_(pa.null())),
    "struct of null": pa.array([{"a": None}, None], pa.struct([("a", pa.null())])),
    "deep": pa.array(
        [[{"a": 1, "B": [1]}], None],
        pa.large_list(pa.struct([("a", pa.duration("s")), ("B", pa.list_(pa.uint8()))])),
    ),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.large_string(), pa.time32("s"))),
    "list view": pa.array([[1, 2], None, [3]], pa.list_view(pa.int64())),
    "large list view": pa.array([[1, 2], None, [3]], pa.large_list_view(pa.int8())),
    "fixed list": pa.array([[1, 2], None], pa.list_(pa.uint16(), 2)),
    "fixed binary": pa.array([b"ab", None], pa.binary(2)),
    "string view": pa.array(["a", None], pa.string_view()),
    "binary view": pa.array([b"a", None], pa.binary_view()),
    "zoned ns": pa.array([1, None], pa.timestamp("ns", BERLIN)),
    "zoned ns of whole us": pa.array([1000, None], pa.timestamp("ns", BERLIN)),
    "list of zoned ns": pa.array([[1], None], pa.list_(pa.timestamp("ns", BERLIN))),
    "timestamp s": pa.array([1, None], pa.timestamp("s")),
    "half": pa.array([1.5, None], pa.float16()),
    "uint64": pa.array([2**64 - 1, None], pa.uint64()),
    "decimal32": pa.array([Decimal("1.5"), None], pa.decimal32(5, 2)),
    "decimal256": pa.array([Decimal("1.5"), None], pa.decimal256(30, 2)),
    "null": pa.array([None, None]),
    "run end": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([1, None])),
    "uuid": pa.array([b"0123456789abcdef", None], pa.uuid()),
    "json": pa.array(["{}", None], pa.json_(pa.string())),
    "dictionary of bool": coded(pa.array([True, False])),
    "dictionary of date, ordered": coded(
        pa.array([dt.date(2016, 1, 1), dt.date(2015, 1, 1)]), ordered=True
    ),
    "dictionary of zoned ns": coded(
        pa.array([1, 2], pa.timestamp("ns", "Asia/Tokyo")), index=pa.uint32()
    ),
    "dictionary of string view": coded(pa.array(["b", "a", "unused"], pa.string_view())),
    "dictionary of decimal": coded(pa.array([Decimal("1.1"), Decimal("2.0")])),
    "dictionary of time": coded(pa.array([1, 2], pa.time32("s"))),
    "dictionary of bytes": coded(pa.array([b"a", b"b"])),
    "dictionary of float": coded(pa.array([1.5, 3.0])),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("shape", ["whole", "slice", "chunks", "none"])
def test_a_column_of_any_arrow_type_comes_back_as_it_was(name: str, shape: str) -> None:
    array = ARRAYS[name]
    column = {
        "whole": array,
        "slice": array[1:],
        "chunks": pa.chunked_array([array, array[1:]]),
        "none": array[:0],
    }[shape]
    table = pa.table({"The_Column": column})
    back = read_table(stored(table))
    back.validate(full=True)
    assert back.schema.equals(table.schema, check_metadata=True)
    assert back.equals(table)


def test_a_nan_among_categories_is_found_again() -> None:
    table = pa.table({"c": coded(pa.array([1.5, float("nan")]))})
    assert str(read_table(stored(table)).column("c").to_pylist()) == "[nan, None, 1.5]"


def test_categories_that_come_twice_mean_the_same() -> None:
    codes = pa.array([0, 1, 2, None], pa.int8())
    table = pa.table({"c": pa.DictionaryArray.from_arrays(codes, pa.array(["a", "a", None]))})
    assert read_table(stored(table)).column("c").to_pylist() == ["a", "a", None, None]


def test_only_times_finer_than_a_microsecond_need_int96() -> None:
    whole = pa.table({"t": pa.array([1000, None], pa.timestamp("ns"))})
    fine = pa.table(
        {
            "t": pa.array([1001, None], pa.timestamp("ns")),
            "u": pa.array([5, 6], pa.timestamp("us", "UTC")),
        }
    )
    assert not to_physical(whole).int96
    assert to_physical(fine).int96
    physical = [
        pq.ParquetFile(pa.BufferReader(parquet(table))).schema.column(0).physical_type
        for table in (whole, fine)
    ]
    assert physical == ["INT64", "INT96"]
    assert read_table(stored(fine)).equals(fine)


def test_times_that_one_file_cannot_hold_are_refused() -> None:
    table = pa.table(
        {"t": pa.array([1], pa.timestamp("ns")), "far": pa.array([2**60], pa.timestamp("us"))}
    )
    with pytest.raises(SchemaMismatch, match=r"'far'.*round"):
        to_physical(table)


def test_a_time_beyond_microseconds_of_64_bits_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="'t'"):
        to_physical(pa.table({"t": pa.array([2**60], pa.timestamp("s"))}))


def test_nothing_is_copied_where_types_agree() -> None:
    table = pa.table({"n": [1, 2], "s": pa.array(["a", "b"], pa.large_string())})
    physical = to_physical(table).table
    for name in ("n", "s"):
        before, after = (
            table.column(name).chunk(0).buffers()[1],
            physical.column(name).chunk(0).buffers()[1],
        )
        assert before.address == after.address


def test_categories_that_a_part_does_not_use_are_not_in_its_file() -> None:
    values = pa.array([f"category {i:06d}" for i in range(50_000)])
    table = pa.table({"c": pa.DictionaryArray.from_arrays(pa.array([1, 2], pa.int32()), values)})
    assert parquet(table).size < 2000


@pytest.mark.parametrize(
    ("array", "hive", "file_type"),
    [
        (pa.array([1, None], pa.int32()), "bigint", pa.int64()),
        (pa.array([1, None], pa.int8()), "double", pa.float64()),
        (pa.array([1.5, None], pa.float32()), "double", pa.float64()),
        (pa.array([1, None], pa.uint8()), "bigint", pa.int64()),
        (pa.array([Decimal("1.5")]), "decimal(20,4)", pa.decimal128(20, 4)),
        (pa.array([1, None], pa.int16()).dictionary_encode(), "int", pa.int32()),
        (pa.array([1, None], pa.duration("s")), "bigint", pa.int64()),
        (pa.array([1, None], pa.timestamp("ns", "UTC")), "timestamp", pa.timestamp("ns")),
        (pa.array([[1], None], pa.list_(pa.int8())), "array<bigint>", pa.list_(pa.int64())),
        (
            pa.array([{"A": 1}, None], pa.struct([("A", pa.int8())])),
            "struct<b:string,a:int>",
            pa.struct([("A", pa.int32()), ("b", pa.string())]),
        ),
    ],
)
def test_a_frame_is_written_in_the_tables_wider_type_and_stays_what_it_was(
    array: pa.Array, hive: str, file_type: pa.DataType
) -> None:
    table = pa.table({"C": array})
    content = parquet(table, columns=[Column("c", hive)])
    assert pq.read_table(pa.BufferReader(content)).schema.field("c").type == file_type
    files = [type(file)(content, file.logical) for file in stored(table)]
    back = read_table(files)
    assert back.equals(table)
    assert back.schema.equals(table.schema)


def test_a_frame_that_does_not_fit_the_table_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match=r"'n' is int64 in the frame and int in the table"):
        physical_schema(pa.schema([("n", pa.int64())]), [Column("N", "int")])


def test_a_category_that_the_manifest_does_not_know_is_noticed() -> None:
    logical = LogicalSchema.of(pa.table({"c": pa.array(["a"]).dictionary_encode()}))
    with pytest.raises(InconsistentBatch, match="categories"):
        from_physical(pa.table({"c": ["b"]}), logical)


def test_a_file_of_another_type_is_noticed() -> None:
    logical = LogicalSchema(pa.schema([("n", pa.int64())]))
    with pytest.raises(InconsistentBatch, match="'n' was int64"):
        from_physical(pa.table({"n": ["not a number"]}), logical)


@pytest.mark.parametrize(
    ("column", "seen"),
    [
        (pa.array([None]), {}),
        (pa.array([[]], pa.list_(pa.null())), {}),
        (pa.array([[("k", None)]], pa.map_(pa.string(), pa.null())), {}),
        (
            pa.array(
                [{"a": None, "b": []}], pa.struct([("a", pa.null()), ("b", pa.list_(pa.null()))])
            ),
            {},
        ),
        (
            pa.array(
                [{"a": 1, "b": []}], pa.struct([("a", pa.int8()), ("B", pa.list_(pa.null()))])
            ),
            {"c": "struct<a: int8>"},
        ),
        (
            pa.array(
                [[{"a": 1, "b": None}]], pa.list_(pa.struct([("a", pa.int8()), ("b", pa.null())]))
            ),
            {"c": "list<element: struct<a: int8>>"},
        ),
    ],
    ids=lambda one: str(getattr(one, "type", "")),
)
def test_no_engine_finds_what_is_still_open_in_a_file_and_it_comes_back_as_it_was(
    column: pa.Array, seen: dict[str, str]
) -> None:
    table = pa.table({"C": column, "n": [1]})
    (file,) = stored(table)
    for columns in ([], [Column("c", "bigint")] if not seen else []):
        file = replace(file, source=parquet(table, columns=[*columns, Column("n", "bigint")]))
        schema = pq.read_schema(pa.BufferReader(file.source))
        found = {
            field.name: str(without_open(field.type))
            for field in schema
            if not field.name.startswith("__sfx_open__")
        }
        assert found == {**seen, "n": "int64"}
        assert read_table([file]).equals(table)
        assert read_table([file], columns=["C"], filters=[("n", "=", 1)]).equals(
            table.select(["C"])
        )


def without_open(kind: pa.DataType) -> pa.DataType:
    """Return a type as an engine sees it that reads columns by name."""
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", without_open(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct(
            [field for field in kind.fields if not field.name.startswith("__sfx_open__")]
        )
    return kind


def test_empty_lists_that_an_earlier_version_wrote_are_empty_lists() -> None:
    table = pa.table({"c": pa.array([[], None, [None]], pa.list_(pa.null()))})
    text = schema_to_text(LogicalSchema(table.schema, open_names=False))
    sink = pa.BufferOutputStream()
    pq.write_table(table.cast(pa.schema([("c", pa.list_(pa.string()))])), sink, store_schema=False)
    old = SourceFile(sink.getvalue(), schema_from_text(text), {}, 3)
    assert read_table([old]).equals(table)
    assert read_table([old, *stored(table)]).equals(pa.concat_tables([table, table]))
