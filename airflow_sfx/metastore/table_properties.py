"""Properties of tables and pointers that Hive and Glue have in common."""

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
"""The table's directory, as the location of a table without partitions is its pointer."""


LOG_VERSION = "sfx.log-version"


VERSION = "sfx.version"
"""How often this package wrote a Hive table; each write expects the number that it read."""


COLUMNS = "sfx.columns"
"""All columns of a Hive table, between two steps of a change of their types."""


_DIGITS = 18
"""The most digits of a number that fits into 64 bits."""


_BATCH = "sfx.batch_id"


_AT = "sfx.at"


_ROWS, _BYTES = "numRows", "totalSize"


_FORMATS = ("delta", "hudi", "iceberg")


_FORMAT_PARAMETERS = (
    "table_type",
    "spark.sql.sources.provider",
    "classification",
    "storage_handler",
)


_INTERNAL = (ROOT, LOG_VERSION, VERSION, COLUMNS, _BATCH, _AT)


# What engines stored about the files of the previous location.
_STALE = ("COLUMN_STATS_ACCURATE", "numFiles", "rawDataSize", _ROWS, _BYTES, _BATCH)


NO_FILES = {_ROWS: "0", _BYTES: "0", "numFiles": "0"}


def own_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return this package's parameters, except for pointer, version and columns."""
    return {
        name: value
        for name, value in parameters.items()
        if _is_own(name) and not name.startswith(KIND)
    }


def table_parameters(info: TableInfo, before: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a changed table.

    Args:
        info: The changed table.
        before: Its present parameters. Those of other programs, of the pointer and of the version
            stay.
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
    return name.startswith("sfx.") and name not in _INTERNAL


def format_in(parameters: Mapping[str, str], *classes: str | None) -> str:
    """Return a table's format as engines store it; empty for plain files.

    Args:
        parameters: The table's parameters.
        classes: The classes that read it: input format, SerDe.

    Example:
        >>> format_in({"table_type": "ICEBERG"})
        'iceberg'
        >>> format_in({}, "org.apache.hudi.hadoop.HoodieParquetInputFormat")
        'hudi'
        >>> format_in({"spark.sql.sources.provider": "parquet"}, INPUT_FORMAT)
        ''
    """
    found = [parameters.get(name, "").lower() for name in _FORMAT_PARAMETERS]
    found += [name.lower() for name in classes if name]
    return next((name for name in _FORMATS if any(name in one for one in found)), "")


def pointing(parameters: Mapping[str, str], pointer: PartitionInfo) -> dict[str, str]:
    """Return the parameters of a moved pointer; those about other things stay.

    If the batch stays the same, the time since when it is current stays, too.

    Example:
        >>> pointer = PartitionInfo(Partition(("a",)), "s3://b/x", 3, rows=2)
        >>> pointing({"owner": "me", "numRows": "9"}, pointer)
        {'owner': 'me', 'numRows': '2', 'sfx.at': '', 'sfx.log-version': '3'}
    """
    kept = {name: value for name, value in parameters.items() if name not in _STALE}
    same = pointer.batch_id is not None and parameters.get(_BATCH) == pointer.batch_id
    at = parameters.get(_AT, pointer.at) if same else pointer.at
    facts = {_BATCH: pointer.batch_id, _ROWS: pointer.rows, _BYTES: pointer.bytes, _AT: at}
    known = {name: str(value) for name, value in facts.items() if value is not None}
    return {**kept, **known, LOG_VERSION: str(pointer.version)}


def pointer_in(
    values: Sequence[str], location: str, parameters: Mapping[str, str]
) -> PartitionInfo:
    """Return the pointer that a location and parameters describe."""
    return PartitionInfo(
        partition=Partition(tuple(values)),
        location=clean_uri(location),
        version=_number(parameters.get(LOG_VERSION)) or 0,
        batch_id=parameters.get(_BATCH),
        rows=_number(parameters.get(_ROWS)),
        bytes=_number(parameters.get(_BYTES)),
        at=parameters.get(_AT, ""),
    )


def follows(pointer: PartitionInfo, there: PartitionInfo) -> bool:
    """Whether to move a pointer: not back, and not to where it is already."""
    return pointer.version >= there.version and replace(pointer, at=there.at) != there


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) <= _DIGITS else None


KIND = "sfx.column."
"""The beginning of the names of these parameters, before the column's name in lower case."""


LONGEST = 255 - len(KIND)
"""The most bytes of such a column's name.

Glue accepts 255 bytes for the name of a parameter, and Hive 256 characters.
"""


def refuse_long(columns: Iterable[Column], table: str) -> None:
    """Reject columns whose parameters would have too long names for Hive or Glue.

    Args:
        columns: The columns.
        table: The table, for messages.

    Raises:
        SchemaMismatch: The name of a column is too long.

    Example:
        >>> refuse_long([Column("n" * 250, "bigint")], "sales.items")
    """
    for column in columns:
        if column.kind and len(column.name.lower().encode()) > LONGEST:
            raise SchemaMismatch(
                f"the name of the column {column.name!r} of {table} is too long: a column with more"
                f" than a Hive type may have {LONGEST} bytes in its name. Rename it",
                table=table,
            )


def parameters_of(columns: Iterable[Column]) -> dict[str, str]:
    """Return the parameters that store the kinds of columns.

    Example:
        >>> since = Column("Since", "bigint", ColumnKind((("", "period[M]"),)))
        >>> parameters_of([Column("n", "bigint"), since])
        {'sfx.column.since': '{"parts":{"":"period[M]"}}'}
    """
    return {
        f"{KIND}{column.name.lower()}": column.kind.to_text() for column in columns if column.kind
    }


def with_kinds(columns: Iterable[Column], parameters: Mapping[str, str]) -> tuple[Column, ...]:
    """Return columns with their kinds, which a table's parameters store.

    Raises:
        InconsistentBatch: Another program changed a parameter.
    """
    stored = {column: parameters.get(f"{KIND}{column.name.lower()}") for column in columns}
    return tuple(
        column if text is None else replace(column, kind=ColumnKind.from_text(text))
        for column, text in stored.items()
    )


def without_kinds(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that do not store kinds of columns."""
    return {name: text for name, text in parameters.items() if not name.startswith(KIND)}
