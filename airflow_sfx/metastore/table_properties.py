"""What Hive and Glue have in common: how an external Parquet table looks, and in which parameters a pointer is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.schema import Column, ColumnKind
from airflow_sfx.metastore.base import PartitionInfo, TableInfo

INPUT_FORMAT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"


OUTPUT_FORMAT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"


SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


ROOT = "sfx.root"
"""The table's directory: the location of a table without partitions is the pointer."""


SEQUENCE = "sfx.sequence"


VERSION = "sfx.version"
"""How often this package has written a Hive table: each write raises it, and expects it to be what it has seen."""


COLUMNS = "sfx.columns"
"""The columns of a Hive table while it has only some of them, between two steps of a change of their types."""


_DIGITS = 18
"""How many a number has at the most, so that it has 64 bits."""


_BATCH = "sfx.batch_id"


_AT = "sfx.at"


_ROWS, _BYTES = "numRows", "totalSize"


_FORMATS = ("delta", "hudi", "iceberg")


_FORMAT_NOTES = ("table_type", "spark.sql.sources.provider", "classification", "storage_handler")


_KEPT_HERE = (ROOT, SEQUENCE, VERSION, COLUMNS, _BATCH, _AT)


# What engines noted of the files that were there before.
_STALE = ("COLUMN_STATS_ACCURATE", "numFiles", "rawDataSize", _ROWS, _BYTES, _BATCH)


NO_FILES = {_ROWS: "0", _BYTES: "0", "numFiles": "0"}


def own_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Those of a table's parameters that this package has set for its own use, but for those of pointer, version and columns."""
    return {
        name: value
        for name, value in parameters.items()
        if _is_own(name) and not name.startswith(KIND)
    }


def table_parameters(info: TableInfo, before: Mapping[str, str]) -> dict[str, str]:
    """A table's parameters as they are to be.

    Args:
        info: The table.
        before: What it has: those of other programs, of the pointer and the version stay.
    """
    kept = {name: value for name, value in before.items() if not _is_own(name)}
    return {
        **kept,
        "EXTERNAL": "TRUE",
        ROOT: info.location,
        **info.parameters,
        **parameters_of(info.columns),
    }


def _is_own(name: str) -> bool:
    return name.startswith("sfx.") and name not in _KEPT_HERE


def format_in(parameters: Mapping[str, str], *classes: str | None) -> str:
    """The table format that a metastore's entry is of, by what Hive, Spark, Trino and Glue note of it; empty for plain files.

    Args:
        parameters: The table's parameters.
        classes: The classes that read it: input format, SerDe.

    Example:
        >>> format_in({"table_type": "ICEBERG"}), format_in({}, "org.apache.hudi.hadoop.HoodieParquetInputFormat")
        ('iceberg', 'hudi')
        >>> format_in({"spark.sql.sources.provider": "parquet"}, INPUT_FORMAT)
        ''
    """
    said = [parameters.get(name, "").lower() for name in _FORMAT_NOTES]
    said += [name.lower() for name in classes if name]
    return next((name for name in _FORMATS if any(name in one for one in said)), "")


def pointing(parameters: Mapping[str, str], pointer: PartitionInfo) -> dict[str, str]:
    """Parameters that say what a location holds; those that are not about that stay, and so does since when it is current.

    Example:
        >>> pointing({"owner": "me", "numRows": "9"}, PartitionInfo(Partition(("a",)), "s3://b/x", 3, rows=2))
        {'owner': 'me', 'numRows': '2', 'sfx.at': '', 'sfx.sequence': '3'}
    """
    kept = {name: value for name, value in parameters.items() if name not in _STALE}
    same = pointer.batch_id is not None and parameters.get(_BATCH) == pointer.batch_id
    at = parameters.get(_AT, pointer.at) if same else pointer.at
    facts = {_BATCH: pointer.batch_id, _ROWS: pointer.rows, _BYTES: pointer.bytes, _AT: at}
    told = {name: str(value) for name, value in facts.items() if value is not None}
    return {**kept, **told, SEQUENCE: str(pointer.sequence)}


def pointer_in(
    values: Sequence[str], location: str, parameters: Mapping[str, str]
) -> PartitionInfo:
    """The pointer that a location and its parameters are."""
    return PartitionInfo(
        partition=Partition(tuple(values)),
        location=clean_uri(location),
        sequence=_number(parameters.get(SEQUENCE)) or 0,
        batch_id=parameters.get(_BATCH),
        rows=_number(parameters.get(_ROWS)),
        bytes=_number(parameters.get(_BYTES)),
        at=parameters.get(_AT, ""),
    )


def follows(pointer: PartitionInfo, there: PartitionInfo) -> bool:
    """Whether a pointer is to be moved: never back, and not where it is already."""
    return pointer.sequence >= there.sequence and replace(pointer, at=there.at) != there


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) <= _DIGITS else None


KIND = "sfx.column."
"""What the names of these parameters begin with; the column's name in lower case follows."""


LONGEST = 255 - len(KIND)
"""How many bytes the name of such a column may have: Glue takes 255 for the name of a parameter, and Hive 256 characters."""


def refuse_long(columns: Iterable[Column], table: str) -> None:
    """Refuse columns whose parameters would have names that are too long for Hive or Glue.

    Args:
        columns: The columns.
        table: The table, for messages.

    Raises:
        SchemaMismatch: There is one.

    Example:
        >>> refuse_long([Column("n" * 250, "bigint")], "sales.items")
    """
    for column in columns:
        if column.kind and len(column.name.lower().encode()) > LONGEST:
            raise SchemaMismatch(
                f"the name of the column {column.name!r} of {table} is too long: what it is beyond"
                f" its Hive type is kept under its name, for which there are {LONGEST} bytes;"
                " rename it",
                table=table,
            )


def parameters_of(columns: Iterable[Column]) -> dict[str, str]:
    """The parameters that say what columns are.

    Example:
        >>> parameters_of([Column("n", "bigint"), Column("Since", "bigint", ColumnKind((("", "period[M]"),)))])
        {'sfx.column.since': '{"parts":{"":"period[M]"}}'}
    """
    return {
        f"{KIND}{column.name.lower()}": column.kind.to_text() for column in columns if column.kind
    }


def with_kinds(columns: Iterable[Column], parameters: Mapping[str, str]) -> tuple[Column, ...]:
    """Columns with what a table's parameters say of them.

    Raises:
        InconsistentBatch: A parameter was changed by another program.
    """
    told = {column: parameters.get(f"{KIND}{column.name.lower()}") for column in columns}
    return tuple(
        column if text is None else replace(column, kind=ColumnKind.from_text(text))
        for column, text in told.items()
    )


def without_kinds(parameters: Mapping[str, str]) -> dict[str, str]:
    """The other parameters."""
    return {name: text for name, text in parameters.items() if not name.startswith(KIND)}
