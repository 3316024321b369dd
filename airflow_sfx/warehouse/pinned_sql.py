"""A pin for engines that know tables only: the SQL of an external table that lies over the pinned batches, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.frames.schema_text import nameless_levels_in, untyped_in
from airflow_sfx.warehouse.opened import OpenTable


def pinned_table_statements(table: OpenTable, pin: BatchPin, name: TableRef, s3_scheme: str) -> list[str]:
    """The statements that make a table of exactly the pinned batches.

    Args:
        table: The pin's table.
        pin: The pin.
        name: The table to make.
        s3_scheme: What ``s3://`` is called in the locations.

    Returns:
        Statements of HiveQL, which Spark SQL knows, too, to be run in their order.

    Raises:
        BatchNotFound: There is no such batch.
    """
    manifests = table.manifests(pin.batches)
    keys = table.info.keys
    columns = ", ".join(f"{_name(column.name)} {column.type}" for column in _columns(manifests))
    made, quoted = f"{_name(name.database)}.{_name(name.table)}", [_name(key.name) for key in keys]
    parted = f" PARTITIONED BY ({', '.join(f'{_name(key.name)} {key.type}' for key in keys)})" if keys else ""
    places = {one.partition: _text(_place(table, one, s3_scheme)) for one in manifests}
    where = _text(_scheme(table.location, s3_scheme)) if keys else next(iter(places.values()))
    create = f"CREATE EXTERNAL TABLE {made} ({columns}){parted} STORED AS PARQUET LOCATION {where}"
    if not keys:
        return [create]
    return [
        create,
        *(
            f"ALTER TABLE {made} ADD PARTITION ({_equal(quoted, table.layout.partition(partition).values)}) LOCATION {place}"
            for partition, place in places.items()
        ),
    ]


def _columns(manifests: Sequence[Manifest]) -> Iterable[Column]:
    """The named columns of all batches; where their types differ, the newest batch's that has values."""
    found: dict[str, Column] = {}
    for manifest in sorted(manifests, key=lambda one: one.batch_id):
        untyped, nameless = untyped_in(manifest.schema), nameless_levels_in(manifest.schema)
        for column in manifest.columns:
            name = column.name.lower()
            if column.name not in nameless and (name not in found or name not in untyped):
                found[name] = column
    return found.values()


def _place(table: OpenTable, manifest: Manifest, s3_scheme: str) -> str:
    place = manifest.location or table.batch_location(manifest.partition, manifest.batch_id)
    return _scheme(place, s3_scheme)


def _scheme(place: str, s3_scheme: str) -> str:
    return f"{s3_scheme}{place.removeprefix('s3')}" if place.startswith("s3://") else place


def _equal(names: Sequence[str], values: Sequence[str]) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in zip(names, values, strict=True))


def _name(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
