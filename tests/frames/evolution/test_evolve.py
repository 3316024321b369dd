"""Changes of a table's columns that a store may make."""

from __future__ import annotations

import pyarrow as pa
import pytest

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import OPEN, Column, ColumnKind
from airflow_sfx.frames.evolution.evolve import Evolve, merge_columns
from airflow_sfx.frames.types.widening import widen


def merged(table: dict[str, str], frame: dict[str, str], evolve: Evolve = "safe") -> dict[str, str]:
    columns = [[Column(name, kind) for name, kind in one.items()] for one in (table, frame)]
    made = merge_columns(*columns, evolve=evolve, table_name="sales.sold_items")
    return {column.name: column.type for column in made}


@pytest.mark.parametrize("evolve", ["none", "safe", "any"])
def test_the_same_columns_in_another_order_and_case_are_the_same(evolve: Evolve) -> None:
    table = {"id": "bigint", "price": "double"}
    assert merged(table, {"Price": "double", "ID": "bigint"}, evolve) == table


def test_added_columns_come_last() -> None:
    assert list(merged({"b": "int"}, {"z": "string", "b": "int", "a": "date"})) == ["b", "z", "a"]


@pytest.mark.parametrize(
    ("one", "other", "wider"),
    [
        ("tinyint", "smallint", "smallint"),
        ("tinyint", "bigint", "bigint"),
        ("float", "double", "double"),
        ("int", "double", "double"),
        ("decimal(10,2)", "decimal(12,2)", "decimal(12,2)"),
        ("decimal(10,2)", "decimal(10,4)", "decimal(12,4)"),
        ("struct<a:int>", "struct<a:bigint,b:string>", "struct<a:bigint,b:string>"),
        ("array<int>", "array<bigint>", "array<bigint>"),
        ("map<string,int>", "map<string,bigint>", "map<string,bigint>"),
        (
            "array<struct<a:timestamp>>",
            "array<struct<a:timestamp,b:int>>",
            "array<struct<a:timestamp,b:int>>",
        ),
    ],
)
def test_types_widen_in_either_direction(one: str, other: str, wider: str) -> None:
    assert merged({"c": one}, {"c": other}) == {"c": wider}
    assert merged({"c": other}, {"c": one}) == {"c": wider}
    assert merged({"c": other}, {"c": one}, "any") == {"c": wider}, (
        "what fits is never made narrower"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bigint", "double"),
        ("int", "float"),
        ("int", "string"),
        ("date", "timestamp"),
        ("boolean", "int"),
        ("decimal(38,0)", "decimal(38,2)"),
        ("decimal(10,2)", "double"),
        ("string", "binary"),
        ("array<int>", "array<string>"),
        ("struct<a:int>", "struct<a:string>"),
        ("uniontype<int>", "int"),
    ],
)
def test_a_change_that_may_lose_values_is_refused_and_says_how_to_insist(
    one: str, other: str
) -> None:
    for table, frame in ((one, other), (other, one)):
        with pytest.raises(SchemaMismatch) as caught:
            merged({"c": table}, {"c": frame})
        message = str(caught.value)
        assert all(
            part in message for part in ("sales.sold_items", "'c'", table, frame, 'evolve="any"')
        )
        assert caught.value.table == "sales.sold_items"
        assert merged({"c": table}, {"c": frame}, "any") == {"c": frame}


def test_a_missing_column_is_refused_unless_insisted_on() -> None:
    with pytest.raises(SchemaMismatch, match=r"'gone' \(int\).*evolve=\"any\""):
        merged({"a": "int", "gone": "int"}, {"a": "int"})
    assert merged({"a": "int", "gone": "int"}, {"a": "int"}, "any") == {"a": "int", "gone": "int"}


@pytest.mark.parametrize("frame", [{"a": "bigint"}, {"a": "int", "b": "int"}, {}])
def test_none_refuses_every_difference(frame: dict[str, str]) -> None:
    with pytest.raises(SchemaMismatch):
        merged({"a": "int"}, frame, "none")


@pytest.mark.parametrize("evolve", ["none", "safe", "any"])
def test_a_column_of_nothing_fits_every_type(evolve: Evolve) -> None:
    open_column = Column("A", "string", ColumnKind((("", OPEN),)))
    typed = Column("a", "double")
    for pair in ((open_column, typed), (typed, open_column)):
        (made,) = merge_columns([pair[0]], [pair[1]], evolve=evolve, table_name="sales.sold_items")
        assert (made.type, made.kind) == ("double", ColumnKind())


def test_the_tables_spelling_of_a_type_stays() -> None:
    assert merged({"a": "decimal(12, 2)"}, {"a": "decimal(10,2)"}) == {"a": "decimal(12, 2)"}


def test_text_of_a_limited_length_becomes_text_of_any() -> None:
    assert merged({"a": "varchar(10)"}, {"a": "string"}) == {"a": "string"}


def test_a_struct_keeps_the_names_of_the_first() -> None:
    made = widen(pa.struct([("A", pa.int8())]), pa.struct([("b", pa.int8()), ("a", pa.int32())]))
    assert made == pa.struct([("A", pa.int32()), ("b", pa.int8())])
