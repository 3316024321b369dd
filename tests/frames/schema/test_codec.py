"""A frame's schema survives as text, dictionaries and all."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.frames.schema.codec import schema_from_text, schema_to_text
from airflow_sfx.frames.types.logical import LogicalSchema

KINDS = [
    pa.int8(),
    pa.timestamp("ns", "Asia/Tokyo"),
    pa.list_(pa.null()),
    pa.map_(pa.string(), pa.uuid()),
    pa.decimal256(50, 2),
]


def example() -> LogicalSchema:
    codes = pa.array([], pa.int8())
    made = pa.DictionaryArray.from_arrays(codes, pa.array(["z", "a", "unused"]), ordered=True)
    table = pa.table({"c": made, "n": pa.array([], pa.int64())})
    return LogicalSchema.of(table.replace_schema_metadata({"k": "v" * 500}))


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(KINDS)),
        max_size=5,
    )
)
def test_any_schema_comes_back(fields: list[tuple[str, pa.DataType]]) -> None:
    schema = pa.schema(fields, metadata={"a": "ä"})
    assert schema_from_text(schema_to_text(LogicalSchema(schema))).schema.equals(
        schema, check_metadata=True
    )


def test_unused_values_and_order_come_back() -> None:
    back = schema_from_text(schema_to_text(example()))
    assert back.schema.equals(example().schema, check_metadata=True)
    assert back.dictionaries["c"].to_pylist() == ["z", "a", "unused"]
    assert back.schema.field("c").type.ordered


def test_the_text_is_packed_and_says_how() -> None:
    text = schema_to_text(example())
    assert text.startswith("z:")
    assert len(text) < 600
    assert text.isascii()


@pytest.mark.parametrize(
    "values",
    [["<p>Dear customer, thank you. " * 150 + str(n) for n in range(12_000)], ["x" * (40 << 20)]],
)
def test_a_dictionary_that_packs_very_well_comes_back(values: list[str]) -> None:
    table = pa.table(
        {"mail": pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array(values))}
    )
    back = schema_from_text(schema_to_text(LogicalSchema.of(table)))
    assert back.dictionaries["mail"].to_pylist() == values


def test_equal_schemas_have_equal_text_and_are_parsed_once() -> None:
    first, second = schema_to_text(example()), schema_to_text(example())
    assert first == second
    assert schema_from_text(first) is schema_from_text(second)


@pytest.mark.parametrize(
    "text", ["", "z", "z:", "z:AAAA", "p:AAAA", "q:AAAA", "z:é", "p:" + "A" * 400, "nonsense"]
)
def test_what_is_no_schema_is_an_inconsistent_batch(text: str) -> None:
    with pytest.raises(InconsistentBatch, match="schema cannot be read"):
        schema_from_text(text)


@given(st.integers(1, 200))
def test_a_truncated_text_is_an_inconsistent_batch(cut: int) -> None:
    text = schema_to_text(example())
    with pytest.raises(InconsistentBatch):
        schema_from_text(text[:-cut])
