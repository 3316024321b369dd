"""SQL over batches, by DuckDB, which can read nothing else."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp

from airflow_sfx.core.errors import (
    InvalidName,
    SchemaMismatch,
    SfxError,
    TableNotFound,
    WarehouseUnavailable,
)
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import storable_text
from airflow_sfx.frames.outputs import to_output
from airflow_sfx.frames.types.duckdb import from_duckdb
from airflow_sfx.warehouse.read.relation import Relation

Make = Callable[[TableRef, str], Relation]
"""Makes the relation of a table, whose columns have a prefix."""

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.In, exp.Between)
_PLAIN = (*_COMPARISONS, exp.And, exp.Or, exp.Not, exp.Paren, exp.Column, exp.Identifier)
_VALUES = (exp.Literal, exp.Cast, exp.DataType, exp.Neg)
_SCAN = "ARROW_SCAN"
_LONGEST = 300
"""The most characters of DuckDB's messages, whose suggestions may be many."""


def tables_of(query: str) -> list[TableRef]:
    """Return the tables that a query names, each once, in their order.

    Args:
        query: The query.

    Raises:
        InvalidName: It is not a text, not valid SQL, or not one SELECT.
        WarehouseUnavailable: DuckDB is not installed.
        TableNotFound: A table is named without its database.

    Example:
        >>> [str(one) for one in tables_of("with a as (from shop.orders) select * from a")]
        ['shop.orders']
    """
    storable_text(query, "the query ")
    duckdb = _duckdb()
    with contextlib.closing(duckdb.connect(":memory:")) as db:
        (text,) = db.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
    document = json.loads(text)
    if document["error"]:
        reason = document.get("error_message", "it is not a SELECT")
        if "SELECT" in str(reason):
            raise _not_a_select()
        raise InvalidName(f"the query is not valid SQL: {reason}")
    if len(document["statements"]) != 1:
        raise _not_a_select()
    names: set[str] = set()
    found: dict[TableRef, None] = {}
    nodes = list(_nodes(document))
    for node in nodes:
        names.update(str(one["key"]).lower() for one in node.get("cte_map", {}).get("map", ()))
    for node in nodes:
        if node.get("type") != "BASE_TABLE":
            continue
        catalog, database, name = (
            node.get(part) or "" for part in ("catalog_name", "schema_name", "table_name")
        )
        if database and not catalog:
            found[TableRef(database, name)] = None
        elif catalog or name.lower() not in names:
            shown = ".".join(filter(None, (catalog, database, name)))
            raise TableNotFound(
                f"there is no table {shown!r}: name tables of the warehouse as DB.TABLE; SQL reads"
                " no others, and no files"
            )
    return list(found)


def run_query(query: str, refs: Sequence[TableRef], make: Make, as_: Any) -> Any:
    """Run a query on tables.

    Args:
        query: The query, one SELECT.
        refs: The tables that it names.
        make: Makes the relation of a table.
        as_: The kind of frame: ``pandas``, ``polars`` or ``arrow``.

    Returns:
        The result.

    Raises:
        InvalidName: The query calls a function that does not exist, or reads outside.
        SchemaMismatch: The query does not fit the tables, or cannot be computed; or the kind of
            frame is unknown.
        SfxError: A scan failed.
    """
    if isinstance(as_, str) and as_ == "spark":
        raise SchemaMismatch(
            "as_='spark' is for load_dataframe: pass 'pandas', 'polars' or 'arrow', or query the"
            " table with spark.sql"
        )
    to_output(pa.table({}), as_)  # raises an error for an unknown kind before anything is read
    relations = {ref: make(ref, f"t{number}") for number, ref in enumerate(refs)}
    duckdb = _duckdb()
    with _session(duckdb, relations) as db:
        try:
            _limit(db, query, list(relations.values()))
            found = db.sql(query)
            wide = [str(kind) == "HUGEINT" for kind in found.types]
            table = found.to_arrow_table()
        except duckdb.Error as error:
            for relation in relations.values():
                if relation.error is not None:
                    raise relation.error from error
            raise _failed(duckdb, error) from error
    return to_output(from_duckdb(table, wide), as_)


@contextlib.contextmanager
def _session(duckdb: Any, relations: dict[TableRef, Relation]) -> Iterator[Any]:
    """Yield a connection that has the relations, and no access to anything else."""
    with (
        tempfile.TemporaryDirectory(prefix="sfx-sql-") as spill,
        contextlib.closing(duckdb.connect(":memory:")) as db,
    ):
        db.execute("SET python_enable_replacements = false")
        db.execute(f"SET temp_directory = {_text(spill)}")
        db.execute("SET TimeZone = 'UTC'")
        for ref, relation in relations.items():
            db.register(relation.prefix, relation)
            columns = ", ".join(
                f"{field.name} AS {_identifier(name)}"
                for field, name in zip(relation.schema, relation.names, strict=True)
            )
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {_identifier(ref.database)}")
            view = f"{_identifier(ref.database)}.{_identifier(ref.table)}"
            db.execute(f"CREATE VIEW {view} AS SELECT {columns} FROM {relation.prefix}")  # noqa: S608
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        yield db


def _limit(db: Any, query: str, relations: Sequence[Relation]) -> None:
    """Limit scans to the columns and partitions that the query's plan reads."""
    ((_, text),) = db.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchall()
    plan = json.loads(text)
    scans = list(_scans(plan, None))
    known = {name for relation in relations for name in relation.schema.names}
    # a scan of unknown form may read any column
    if any(not columns or not known.issuperset(columns) for columns, _ in scans):
        return
    for relation in relations:
        mine = [
            (columns, condition)
            for columns, condition in scans
            if any(name in relation.schema.names for name in columns)
        ]
        if not mine:
            continue
        files = _files(db, relation, mine[0][1]) if len(mine) == 1 else None
        relation.read_only({name for columns, _ in mine for name in columns}, files)


def _scans(nodes: Any, above: Any) -> Iterator[tuple[list[str], str]]:
    """Yield the columns of each scan in a plan, and the condition directly above it."""
    for node in nodes:
        facts = node.get("extra_info", {})
        if _SCAN in str(node.get("name")):
            columns = facts.get("Projections", [])
            columns = [columns] if isinstance(columns, str) else list(columns)
            # a field of a struct is named `column.field`; the names of relations have no dots
            columns = [str(name).partition(".")[0] for name in columns]
            condition = ""
            if above is not None and above.get("name") == "FILTER":
                condition = str(above.get("extra_info", {}).get("Expression", ""))
            yield ([] if "Filters" in facts else columns), condition
        yield from _scans(node.get("children", ()), node)


def _files(db: Any, relation: Relation, condition: str) -> Collection[int] | None:
    """Return the files whose partition keys meet a condition, or None for all.

    DuckDB itself evaluates those parts of it that are plain comparisons of keys.
    """
    if not condition or (keys := relation.keys()) is None:
        return None
    try:
        parsed = sqlglot.parse_one(condition, dialect="duckdb").unnest()
    except sqlglot.errors.SqlglotError:
        return None
    parts = [
        part.sql(dialect="duckdb")
        for part in (parsed.flatten() if isinstance(parsed, exp.And) else [parsed])
        if all(isinstance(node, _PLAIN + _VALUES) for node in part.walk())
        and {column.sql() for column in part.find_all(exp.Column)} <= set(keys.column_names[1:])
    ]
    if not parts:
        return None
    db.register(f"{relation.prefix}keys", keys)
    chosen = db.sql(
        f"SELECT file FROM {relation.prefix}keys WHERE ({') AND ('.join(parts)})"  # noqa: S608
    )
    return {number for (number,) in chosen.fetchall()}


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all objects of a JSON document."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, dict | list):
            yield from _nodes(one)


def _failed(duckdb: Any, error: Exception) -> SfxError:
    """Return the error for a query that DuckDB rejects or cannot compute."""
    if isinstance(error, duckdb.PermissionException):
        return InvalidName(
            "the query reads or writes outside of the warehouse: SQL reads only the warehouse's"
            " tables; no files, networks, extensions or settings"
        )
    kind = InvalidName if isinstance(error, duckdb.CatalogException) else SchemaMismatch
    return kind(f"the query cannot be run: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Return DuckDB's message with its suggestions, without the query."""
    message, _, _ = str(error).partition("\n\nLINE ")
    text = " ".join(message.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _not_a_select() -> InvalidName:
    return InvalidName("the query is not one SELECT: SQL only reads; store its result")


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise WarehouseUnavailable(
            "DuckDB is not installed: pip install 'airflow-sfx[sql]'"
        ) from error
    return duckdb


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
