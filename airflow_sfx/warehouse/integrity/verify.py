"""Verify: compare every file of a pin with its manifest, and find added files."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

from airflow_sfx.core.errors import InconsistentBatch, counted
from airflow_sfx.core.io.resource_limits import resource_error
from airflow_sfx.core.manifest import DataFile, Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.warehouse.batch.data_files import batch_files
from airflow_sfx.warehouse.integrity.columns import columns_behind
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.table.table import Table

_CONCURRENCY = 4  # each thread has one file in memory


def verify_pin(table: Table, pin: BatchPin) -> VerifyReport:
    """Read every file of a pin and compare it with the manifest.

    Args:
        table: The pin's table.
        pin: The batches.

    Returns:
        The numbers of files, rows and bytes read.

    Raises:
        BatchNotFound: A partition has no such batch.
        InconsistentBatch: Files are missing, truncated, altered or added, or the metastore lacks
            columns of current batches; ``problems`` lists them.
    """
    manifests = table.manifests(pin.batches)
    work = [(manifest, file) for manifest in manifests for file in manifest.files]
    problems = [
        problem
        for problem in map_concurrently(lambda item: _problem(table, *item), work, _CONCURRENCY)
        if problem
    ]
    problems += [
        added
        for found in map_concurrently(lambda one: _added_files(table, one), manifests, _CONCURRENCY)
        for added in found
    ]
    behind = columns_behind(table, manifests) if not table.is_dropped else []
    if behind and not problems:
        raise InconsistentBatch(
            f"{behind[0]}: other engines do not read them, and `sfx repair {table.ref}` adds them",
            problems=tuple(behind),
            table=str(table.ref),
        )
    problems += behind
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""  # noqa: PLR2004
        raise InconsistentBatch(
            f"{pin} differs from what was written: {'; '.join(problems[:3])}{more}. Roll back to a"
            " batch that verifies, or restore the objects",
            problems=tuple(problems),
            table=str(table.ref),
            partition=pin.entries[0][0] if len(pin.entries) == 1 else None,
        )
    return VerifyReport(
        pin, len(work), sum(m.rows for m in manifests), sum(m.bytes for m in manifests)
    )


def _problem(table: Table, manifest: Manifest, file: DataFile) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    store, directory = batch_files(table, manifest)
    path = f"{directory}/{file.path}".lstrip("/")
    data = wait_until_visible(store, lambda: store.get(path))
    if data is None:
        return f"{store.uri}/{path} is missing"
    if len(data) != file.size:
        return f"{store.uri}/{path} has {counted(len(data), 'byte')}, not {file.size:,}"
    if file.sha256 and hashlib.sha256(data).hexdigest() != file.sha256:
        return f"{store.uri}/{path} does not have the checksum that was written"
    try:
        rows = pq.read_metadata(io.BytesIO(data)).num_rows
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        if short := resource_error(error, f"reading {store.uri}/{path}"):
            raise short from error
        return f"{store.uri}/{path} is not a Parquet file: {error}"
    return (
        None
        if rows == file.rows
        else f"{store.uri}/{path} has {counted(rows, 'row')}, not {file.rows:,}"
    )


def _added_files(table: Table, manifest: Manifest) -> list[str]:
    """List files that other programs added to the batch's directory.

    Engines that list the directory read them too.
    """
    if manifest.location:
        return []  # an adopted directory may have had other files
    directory = table.layout.batch_dir(manifest.partition, manifest.batch_id)
    known = {file.path for file in manifest.files}
    there = [info.path.removeprefix(f"{directory}/") for info in table.store.list(directory)]
    return [
        f"{table.store.uri}/{directory}/{path} is not in the manifest, and Hive and Spark read it"
        " as well"
        for path in there
        if path not in known and not path.rpartition("/")[2].startswith(("_", "."))
    ]


@dataclass(frozen=True, slots=True)
class VerifyReport(Tabular):
    """What `verify` read; it raises `InconsistentBatch` if it finds a problem.

    Args:
        pin: The pin.
        files: The number of files.
        rows: The number of rows.
        bytes: The number of bytes.
    """

    pin: BatchPin
    files: int
    rows: int
    bytes: int
