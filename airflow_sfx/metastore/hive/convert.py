"""Conversion between this package's values and the Hive Metastore's."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hmsclient.genthrift.hive_metastore import ttypes

from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.schema import Column
from airflow_sfx.core.serde import decoding
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import PartitionInfo, TableInfo
from airflow_sfx.metastore.partition_names import hive_name
from airflow_sfx.metastore.table_properties import (
    COLUMNS,
    INPUT_FORMAT,
    LOG_VERSION,
    NO_FILES,
    OUTPUT_FORMAT,
    ROOT,
    SERDE,
    VERSION,
    format_in,
    own_parameters,
    pointer_in,
    pointing,
    table_parameters,
    with_kinds,
)

_PURGE = {"external.table.purge": "false"}


def table_of(info: TableInfo) -> Any:
    """Return a Hive table, external, so that dropping it leaves the objects."""
    return ttypes.Table(
        dbName=info.ref.database,
        tableName=info.ref.table,
        tableType="EXTERNAL_TABLE",
        partitionKeys=[ttypes.FieldSchema(key.name, key.type, None) for key in info.keys],
        sd=_storage(_fields(info.columns, ()), info.location),
        parameters={**table_parameters(info, _PURGE), VERSION: "0"},
    )


def info_of(table: Any) -> TableInfo:
    """Return the table that the metastore has."""
    parameters = table.parameters or {}
    return TableInfo(
        ref=TableRef(table.dbName, table.tableName),
        location=clean_uri(parameters.get(ROOT) or table.sd.location),
        columns=with_kinds(
            (Column(field.name, field.type) for field in _all_fields(table)), parameters
        ),
        keys=tuple(PartitionKey(field.name, field.type) for field in table.partitionKeys or ()),
        parameters=own_parameters(parameters),
        format=format_in(
            parameters,
            table.sd.inputFormat,
            table.sd.serdeInfo and table.sd.serdeInfo.serializationLib,
        ),
    )


def changed_table(table: Any, info: TableInfo) -> Any:
    """Change a Hive table to the columns and parameters of ``info``, and return it.

    It becomes external and in Parquet; the comments of columns stay.
    """
    storage = _storage(_fields(info.columns, _all_fields(table)), table.sd.location)
    table.sd.cols, table.sd.serdeInfo = storage.cols, storage.serdeInfo
    table.sd.inputFormat, table.sd.outputFormat = storage.inputFormat, storage.outputFormat
    table.tableType = "EXTERNAL_TABLE"
    known = {name: text for name, text in (table.parameters or {}).items() if name != COLUMNS}
    table.parameters = table_parameters(info, {**known, **_PURGE})
    return table


def cut_before_changes(table: Any, before: Sequence[Any]) -> Any:
    """Return the first step of a change of column types.

    Args:
        table: The changed table.
        before: The columns before the change.

    Returns:
        The table with only the columns before the first change, and all of them in a parameter.
    """
    fields = table.sd.cols
    same = [
        old.name == new.name and old.type == new.type
        for old, new in zip(before, fields, strict=False)
    ]
    cut = copy.deepcopy(table)
    cut.sd.cols = fields[: same.index(False)] if False in same else fields
    cut.parameters[COLUMNS] = json.dumps(
        [[field.name, field.type, field.comment] for field in fields]
    )
    return cut


def is_cut(table: Any) -> bool:
    """Whether a table is between two steps of a change of columns."""
    return COLUMNS in (table.parameters or {})


def pointer_of_partition(partition: Any) -> PartitionInfo:
    """Return a partition's pointer."""
    return pointer_in(partition.values, partition.sd.location, partition.parameters or {})


def pointer_of_table(table: Any) -> PartitionInfo | None:
    """Return the pointer of a table without partitions; None if it never moved."""
    parameters = table.parameters or {}
    if LOG_VERSION not in parameters:
        return None
    return pointer_in((), table.sd.location, parameters)


def new_partition(table: Any, pointer: PartitionInfo, empty: str) -> Any:
    """Return a partition at a directory without files, which reads as no rows."""
    return ttypes.Partition(
        dbName=table.dbName,
        tableName=table.tableName,
        values=list(pointer.partition.values),
        sd=_storage(table.sd.cols, empty),
        parameters=dict(NO_FILES),
    )


def moved(target: Any, pointer: PartitionInfo, columns: Sequence[Any]) -> Any:
    """Move the pointer of a partition or a table without partitions, and return it.

    Its other parameters stay.
    """
    target.sd.location = pointer.location
    target.sd.cols = list(columns)
    target.parameters = pointing(target.parameters or {}, pointer)
    return target


def renamed(table: Any, info: TableInfo) -> Any:
    """Give a Hive table another name and parameters, and return it."""
    table.dbName, table.tableName = info.ref.database, info.ref.table
    table.parameters = table_parameters(info, {**(table.parameters or {}), **_PURGE})
    return table


def names_of_gone(
    keys: Sequence[PartitionKey],
    pointers: Sequence[PartitionInfo],
    there: Mapping[tuple[str, ...], Any],
) -> list[str]:
    """Return the names of partitions that are dropped, as far as the metastore has them.

    Args:
        keys: The table's partition keys.
        pointers: The new pointers.
        there: The metastore's partitions by their values.
    """
    return [
        hive_name(keys, pointer.partition.values)
        for pointer in pointers
        if pointer.gone
        and (found := there.get(pointer.partition.values)) is not None
        and pointer.version >= pointer_of_partition(found).version
    ]


def expected_parameter(table: Any) -> tuple[str, str] | None:
    """Return the parameter that every write of a table changes, and its value.

    A table of an earlier version of this package may have no version until it is written. The
    parameter is then the one that a move of its pointer changes, or None if it has no pointer.
    """
    parameters = table.parameters or {}
    return next(
        ((name, parameters[name]) for name in (VERSION, LOG_VERSION) if name in parameters), None
    )


def next_version(table: Any) -> str:
    """Return the next version of a table.

    Raises:
        InconsistentBatch: Another program made the present version invalid.
    """
    with decoding(_parameter_of(table, VERSION)):
        return str(int((table.parameters or {}).get(VERSION, 0)) + 1)


def _all_fields(table: Any) -> list[Any]:
    """Return all columns of a table, also between two steps of a change."""
    if not is_cut(table):
        return list(table.sd.cols)
    with decoding(_parameter_of(table, COLUMNS)):
        return [_field(one) for one in json.loads(table.parameters[COLUMNS])]


def _field(stored: object) -> Any:
    match stored:
        case [str(name), str(type_)]:  # earlier versions kept no comments
            return ttypes.FieldSchema(name, type_, None)
        case [str(name), str(type_), str() | None as comment]:
            return ttypes.FieldSchema(name, type_, comment)
    raise ValueError(f"{stored!r:.80} is not a column's name, type and comment")


def _parameter_of(table: Any, parameter: str) -> str:
    return f"the parameter {parameter} of the table {table.dbName}.{table.tableName}"


def _fields(columns: Sequence[Column], known: Sequence[Any]) -> list[Any]:
    comments = {field.name: field.comment for field in known}
    return [
        ttypes.FieldSchema(column.name.lower(), column.type, comments.get(column.name.lower()))
        for column in columns
    ]


def _storage(fields: Sequence[Any], location: str) -> Any:
    return ttypes.StorageDescriptor(
        cols=list(fields),
        location=location,
        inputFormat=INPUT_FORMAT,
        outputFormat=OUTPUT_FORMAT,
        compressed=False,
        numBuckets=-1,
        serdeInfo=ttypes.SerDeInfo(
            serializationLib=SERDE, parameters={"serialization.format": "1"}
        ),
        bucketCols=[],
        sortCols=[],
        parameters={},
    )
