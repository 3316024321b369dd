"""Conversion between this package's values and the Glue catalog's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import PartitionInfo, TableInfo
from airflow_sfx.metastore.table_properties import (
    INPUT_FORMAT,
    LOG_VERSION,
    OUTPUT_FORMAT,
    ROOT,
    SERDE,
    format_in,
    own_parameters,
    pointer_in,
    pointing,
    table_parameters,
    with_kinds,
)

_READ_ONLY = (
    "CatalogId",
    "CreatedBy",
    "CreateTime",
    "DatabaseName",
    "FederatedTable",
    "IsMaterializedView",
    "IsMultiDialectView",
    "IsRegisteredWithLakeFormation",
    "LastAnalyzedTime",
    "Status",
    "UpdateTime",
    "VersionId",
)


_PARQUET = {
    "InputFormat": INPUT_FORMAT,
    "OutputFormat": OUTPUT_FORMAT,
    "SerdeInfo": {"SerializationLibrary": SERDE, "Parameters": {"serialization.format": "1"}},
}


def table_of(info: TableInfo) -> dict[str, Any]:
    """Return the input that creates a table: external, in Parquet."""
    return {
        "Name": info.ref.table,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key.name, "Type": key.type} for key in info.keys],
        "StorageDescriptor": {
            "Columns": _fields(info.columns, ()),
            "Location": info.location,
            "Compressed": False,
            "NumberOfBuckets": -1,
            "StoredAsSubDirectories": False,
            **_PARQUET,
        },
        "Parameters": table_parameters(info, {"classification": "parquet"}),
    }


def info_of(table: Mapping[str, Any]) -> TableInfo:
    """Return the table that Glue has."""
    parameters, storage = table.get("Parameters", {}), table["StorageDescriptor"]
    return TableInfo(
        ref=TableRef(table["DatabaseName"], table["Name"]),
        location=clean_uri(parameters.get(ROOT) or storage["Location"]),
        columns=with_kinds(
            (Column(field["Name"], field["Type"]) for field in storage["Columns"]), parameters
        ),
        keys=tuple(
            PartitionKey(field["Name"], field["Type"]) for field in table.get("PartitionKeys", [])
        ),
        parameters=own_parameters(parameters),
        format=format_in(
            parameters,
            storage.get("InputFormat"),
            storage.get("SerdeInfo", {}).get("SerializationLibrary"),
        ),
    )


def changed_table(table: Mapping[str, Any], info: TableInfo) -> dict[str, Any]:
    """Return a table with the columns and parameters of ``info``.

    Columns keep their comments and parameters.
    """
    storage = table["StorageDescriptor"]
    return {
        **_writable(table),
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {
            **storage,
            "Columns": _fields(info.columns, storage["Columns"]),
            **_PARQUET,
        },
        "Parameters": table_parameters(info, table.get("Parameters", {})),
    }


def moved_table(table: Mapping[str, Any], pointer: PartitionInfo) -> dict[str, Any]:
    """Return a table without partitions whose pointer has moved."""
    parameters = {**table.get("Parameters", {}), ROOT: info_of(table).location}
    return {
        **_writable(table),
        "StorageDescriptor": {**table["StorageDescriptor"], "Location": pointer.location},
        "Parameters": pointing(parameters, pointer),
    }


def partition_input(
    table: Mapping[str, Any], there: Mapping[str, Any] | None, pointer: PartitionInfo
) -> dict[str, Any]:
    """Return the input of a moved partition, with the table's columns.

    Args:
        table: The table.
        there: The existing partition, whose other parameters stay; None if it is missing.
        pointer: The pointer.
    """
    return {
        "Values": list(pointer.partition.values),
        "StorageDescriptor": {**table["StorageDescriptor"], "Location": pointer.location},
        "Parameters": pointing(there.get("Parameters", {}) if there else {}, pointer),
    }


def pointer_of_partition(partition: Mapping[str, Any]) -> PartitionInfo:
    """Return a partition's pointer."""
    return pointer_in(partition["Values"], location_of(partition), partition.get("Parameters", {}))


def location_of(partition: Mapping[str, Any]) -> str:
    """Return a partition's location; empty if it has none."""
    found: str = partition["StorageDescriptor"].get("Location", "")
    return found


def pointer_of_table(table: Mapping[str, Any]) -> PartitionInfo | None:
    """Return the pointer of a table without partitions; None if it never moved."""
    parameters = table.get("Parameters", {})
    return (
        pointer_in((), table["StorageDescriptor"]["Location"], parameters)
        if LOG_VERSION in parameters
        else None
    )


def _writable(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in _READ_ONLY}


def _fields(columns: Sequence[Column], known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    before = {field["Name"].lower(): field for field in known}
    return [
        {**before.get(column.name.lower(), {}), "Name": column.name.lower(), "Type": column.type}
        for column in columns
    ]
