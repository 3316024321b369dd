"""Types of the metastore for Hive, Spark and Trino, and those of the files."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames.inputs import to_source
from airflow_sfx.frames.schema.physical import physical_type
from airflow_sfx.frames.types.hive import (
    arrow_type,
    arrow_type_of_key,
    columns_of,
    hive_type,
    key_type_of,
)
from tests.frames.builders import COLUMNS, parquet

SPARK_READS = {
    "BOOLEAN",
    "INT32",
    "INT64",
    "INT96",
    "FLOAT",
    "DOUBLE",
    "BYTE_ARRAY",
    "FIXED_LEN_BYTE_ARRAY",
}


@pytest.mark.parametrize(
    ("arrow", "hive"),
    [
        (pa.bool_(), "boolean"),
        (pa.int8(), "tinyint"),
        (pa.uint8(), "smallint"),
        (pa.uint16(), "int"),
        (pa.uint32(), "bigint"),
        (pa.uint64(), "decimal(20,0)"),
        (pa.float16(), "float"),
        (pa.float64(), "double"),
        (pa.large_string(), "string"),
        (pa.string_view(), "string"),
        (pa.binary(5), "binary"),
        (pa.date64(), "date"),
        (pa.timestamp("ns", "Asia/Tokyo"), "timestamp"),
        (pa.duration("s"), "bigint"),
        (pa.time32("s"), "bigint"),
        (pa.null(), "string"),
        (pa.decimal128(38, 10), "decimal(38,10)"),
        (pa.dictionary(pa.int8(), pa.int16()), "smallint"),
        (pa.list_(pa.list_(pa.date32())), "array<array<date>>"),
        (pa.large_list(pa.struct([("A", pa.int8())])), "array<struct<A:tinyint>>"),
        (pa.list_(pa.float32(), 3), "array<float>"),
        (pa.map_(pa.string(), pa.list_(pa.int64())), "map<string,array<bigint>>"),
        (pa.uuid(), "binary"),
    ],
)
def test_each_arrow_type_has_its_hive_type(arrow: pa.DataType, hive: str) -> None:
    assert hive_type(arrow) == hive


@pytest.mark.parametrize(
    ("arrow", "why"),
    [
        (pa.decimal256(50, 2), "38 digits"),
        (pa.decimal128(5, -2), "scale"),
        (pa.month_day_nano_interval(), "no equivalent"),
        (pa.struct([]), "without fields"),
        (pa.struct([("a", pa.int8()), ("A", pa.int8())]), "ignores case"),
        (pa.struct([("a:b", pa.int8())]), "cannot read the name"),
        (pa.dense_union([pa.field("a", pa.int8())]), "no equivalent"),
    ],
)
def test_a_type_that_hive_lacks_is_refused(arrow: pa.DataType, why: str) -> None:
    with pytest.raises(SchemaMismatch, match=why) as caught:
        columns_of(pa.schema([("the column", arrow)]))
    assert "the column" in str(caught.value)


def test_columns_keep_their_names_and_order() -> None:
    schema = pa.schema([("Price", pa.float64()), ("id", pa.int64())])
    assert columns_of(schema) == (Column("Price", "double"), Column("id", "bigint"))


TYPES = st.recursive(
    st.sampled_from(
        [pa.bool_(), pa.int8(), pa.int64(), pa.float32(), pa.string(), pa.binary(), pa.date32()]
    )
    | st.builds(pa.decimal128, st.integers(10, 38), st.integers(0, 9))
    | st.just(pa.timestamp("us")),
    lambda inner: (
        st.builds(pa.list_, inner)
        | st.builds(pa.map_, st.just(pa.string()), inner)
        | st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: pa.struct([(f"f{i}", k) for i, k in enumerate(kinds)])
        )
    ),
    max_leaves=5,
)


@given(TYPES)
def test_a_hive_type_read_back_is_the_files_type(kind: pa.DataType) -> None:
    assert arrow_type(hive_type(kind)) == kind
    assert physical_type(kind) == kind


@pytest.mark.parametrize(
    "text",
    ["", "array<int", "struct<a>", "void", "uniontype<int,string>", "int)", "map<int>", "12"],
)
def test_an_unknown_hive_type_is_refused(text: str) -> None:
    with pytest.raises(SchemaMismatch, match="Hive type"):
        arrow_type(text)


@pytest.mark.parametrize(
    "text", ["varchar(10)", "char(3)", "decimal(10, 2)", "DECIMAL", "struct<a: int, b: string>"]
)
def test_types_as_other_engines_spell_them_are_read(text: str) -> None:
    assert isinstance(arrow_type(text), pa.DataType)


@pytest.mark.parametrize("name", COLUMNS)
def test_files_have_only_types_that_spark_reads(name: str) -> None:
    table = to_source(pd.DataFrame({"c": COLUMNS[name]})).table
    assert table is not None
    schema = pq.ParquetFile(pa.BufferReader(parquet(table))).schema
    for position in range(len(schema)):
        column = schema.column(position)
        logical = column.logical_type.to_json()
        assert column.physical_type in SPARK_READS
        assert "nanoseconds" not in logical
        assert '"Time"' not in logical
        assert '"isSigned": false' not in logical
        assert "Interval" not in logical
        assert "Float16" not in logical
        if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
            assert '"Decimal"' in logical


def test_a_file_says_nothing_of_arrow_or_pandas() -> None:
    table = to_source(pd.DataFrame({"Price": pd.Categorical(["a"])})).table
    assert table is not None
    file = pq.ParquetFile(pa.BufferReader(parquet(table)))
    assert not file.metadata.metadata
    assert file.schema_arrow == pa.schema([("price", pa.string())])


@pytest.mark.parametrize(
    ("arrow", "hive"),
    [
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int32(), pa.large_string()), "string"),
        (pa.uint8(), "smallint"),
        (pa.int64(), "bigint"),
        (pa.date64(), "date"),
        (pa.bool_(), "boolean"),
        (pa.timestamp("ns"), "timestamp"),
    ],
)
def test_a_key_has_the_hive_type_of_its_column(arrow: pa.DataType, hive: str) -> None:
    assert key_type_of(arrow) == hive
    assert isinstance(arrow_type_of_key(hive), pa.DataType)


@pytest.mark.parametrize(
    "arrow",
    [
        pa.float64(),
        pa.timestamp("us", "UTC"),
        pa.uint64(),
        pa.list_(pa.int8()),
        pa.binary(),
        pa.null(),
        pa.duration("s"),
        pa.time32("s"),
        pa.decimal128(5, 2),
    ],
    ids=str,
)
def test_what_cannot_name_a_partition_is_no_key(arrow: pa.DataType) -> None:
    with pytest.raises(SchemaMismatch, match="cannot be a partition key"):
        key_type_of(arrow)


def test_a_key_of_another_hive_type_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="cannot be the type of a partition key"):
        arrow_type_of_key("double")
