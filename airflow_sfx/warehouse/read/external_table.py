"""SQL of an external table over exactly the batches of a pin."""

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
    """Return the statements that create a table of exactly the pinned batches.

    Args:
        table: The pin's table.
        pin: The pin.
        name: The table to create.
        s3_scheme: The scheme that replaces ``s3`` in locations.

    Returns:
        Statements in HiveQL, which Spark SQL also understands, to be run in order.

    Raises:
        BatchNotFound: A batch does not exist.
        InconsistentBatch: A manifest has a column with a name or type that a store never writes.
        InvalidName: The pin has no batches and the table has no partitions; or a name or value
            contains ``${``, which Hive and Spark replace with the value of a variable.
    """
    if not isinstance(s3_scheme, str) or not _SCHEME.fullmatch(s3_scheme):
        raise InvalidName(
            f"s3_scheme={s3_scheme!r:.80} is not a scheme of a URI: pass s3, s3a or s3n"
        )
    manifests = table.manifests(pin.batches)
    keys = table.info.keys
    if not (manifests or keys):
        raise InvalidName(
            f"the pin of {table.ref} has no batches, and the table has no partitions: pass a pin"
            " with a batch"
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
    """Return the named columns of all batches.

    If two batches have types without a common type, the newer batch's type is used.
    """
    found: tuple[Column, ...] = ()
    for manifest in sorted(manifests, key=lambda one: one.batch_id):
        for column in manifest.columns:
            _type(table, column)  # raises if the manifest was altered
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
    """Parse a column's type and format it again, as manifests are not trusted."""
    try:
        if not is_storable_name(column.name):
            raise SchemaMismatch("columns of that name are rejected")
        return hive_type(arrow_type(column.type))
    except (SchemaMismatch, ValueError, RecursionError) as error:
        raise InconsistentBatch(
            f"a manifest of {table.ref} has the column {column.name!r:.80} as {column.type!r:.80},"
            f" which a store never writes ({error}): it was altered. Check it with `sfx verify`,"
            " and roll back to another batch",
            table=str(table.ref),
        ) from error


def _refuse_variable(text: str) -> str:
    if _VARIABLE in text:
        raise InvalidName(
            f"{text!r:.120} contains {_VARIABLE!r}, which Hive and Spark read as a variable: copy"
            " the batch under another name"
        )
    return text


def _name(name: str) -> str:
    return f"`{_refuse_variable(name).replace('`', '``')}`"


def _text(text: str) -> str:
    escaped = _refuse_variable(text).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
