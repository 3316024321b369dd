"""A pin for engines that know tables only: the SQL of an external table that lies over the pinned batches, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_sfx.core.errors import InconsistentBatch, InvalidName, SchemaMismatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Column
from airflow_sfx.core.table import TableRef
from airflow_sfx.frames.column_names import is_storable_name
from airflow_sfx.frames.evolution.evolve import merge_columns
from airflow_sfx.frames.types.hive import arrow_type, hive_type
from airflow_sfx.warehouse.log.restore import batch_columns
from airflow_sfx.warehouse.table.table import Table


def pinned_table_statements(
    table: Table, pin: BatchPin, name: TableRef, s3_scheme: str
) -> list[str]:
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
        InconsistentBatch: A manifest has a column of a name or a type that no store gave it.
        InvalidName: The pin has no batches and the table no partitions; or a name or a value has
            ``${``, which Hive and Spark replace by a variable's value before they read the rest.
    """
    if not isinstance(s3_scheme, str) or not _SCHEME.fullmatch(s3_scheme):
        raise InvalidName(f"s3_scheme={s3_scheme!r:.80} is no scheme of a URI: pass s3, s3a or s3n")
    manifests = table.manifests(pin.batches)
    keys = table.info.keys
    if not (manifests or keys):
        raise InvalidName(
            f"the pin of {table.ref} has no batches, and the table no partitions: pass a pin of a"
            " batch"
        )
    named = _columns(table, manifests) or table.info.columns  # of a pin without batches
    columns = ", ".join(f"{_name(column.name)} {_type(table, column)}" for column in named)
    made, quoted = f"{_name(name.database)}.{_name(name.table)}", [_name(key.name) for key in keys]
    parted = (
        f" PARTITIONED BY ({', '.join(f'{_name(key.name)} {key.type}' for key in keys)})"
        if keys
        else ""
    )
    places = {one.partition: _text(_place(table, one, s3_scheme)) for one in manifests}
    where = _text(_scheme(table.location, s3_scheme)) if keys else next(iter(places.values()))
    create = f"CREATE EXTERNAL TABLE {made} ({columns}){parted} STORED AS PARQUET LOCATION {where}"
    if not keys:
        return [create]
    return [
        create,
        *(
            f"ALTER TABLE {made} ADD PARTITION"
            f" ({_equal(quoted, table.layout.partition(partition).values)}) LOCATION {place}"
            for partition, place in places.items()
        ),
    ]


def _columns(table: Table, manifests: Sequence[Manifest]) -> tuple[Column, ...]:
    """The named columns of all batches; where no type holds both of two batches', the newest batch's."""
    found: tuple[Column, ...] = ()
    for manifest in sorted(manifests, key=lambda one: one.batch_id):
        for column in manifest.columns:
            _type(table, column)  # says what was altered
        found = merge_columns(
            found, batch_columns(manifest), evolve="any", table_name=str(table.ref)
        )
    return found


def _place(table: Table, manifest: Manifest, s3_scheme: str) -> str:
    place = manifest.location or table.batch_location(manifest.partition, manifest.batch_id)
    return _scheme(place, s3_scheme)


def _scheme(place: str, s3_scheme: str) -> str:
    return f"{s3_scheme}{place.removeprefix('s3')}" if place.startswith("s3://") else place


def _equal(names: Sequence[str], values: Sequence[str]) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in zip(names, values, strict=True))


_SCHEME = re.compile(r"[a-z][a-z0-9]*")
_VARIABLE = "${"


def _type(table: Table, column: Column) -> str:
    """A column's type as it is read and written again: a manifest's text may be anybody's."""
    try:
        if not is_storable_name(column.name):
            raise SchemaMismatch("no store takes a column of that name")
        return hive_type(arrow_type(column.type))
    except (SchemaMismatch, ValueError, RecursionError) as error:
        raise InconsistentBatch(
            f"a manifest of {table.ref} has the column {column.name!r:.80} as {column.type!r:.80},"
            f" which no store writes ({error}): it was altered; look with `sfx verify`, and roll"
            " back to another batch",
            table=str(table.ref),
        ) from error


def _refuse_variable(text: str) -> str:
    if _VARIABLE in text:
        raise InvalidName(
            f"{text!r:.120} has {_VARIABLE!r}, which Hive and Spark take for a variable, wherever"
            " it stands: copy the batch under another name"
        )
    return text


def _name(name: str) -> str:
    return f"`{_refuse_variable(name).replace('`', '``')}`"


def _text(text: str) -> str:
    escaped = _refuse_variable(text).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
