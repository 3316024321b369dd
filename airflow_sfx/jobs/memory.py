"""How much memory a job needs, by its inputs and its earlier runs.

A job's memory is taken as a fixed part and one that grows with the bytes of its inputs, both from
earlier runs of the same task, with a margin. What is out of memory all the same gets twice as much
at the next attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_sfx.core.errors import (
    BatchNotFound,
    InconsistentBatch,
    PartitionNotFound,
    TableNotFound,
)
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.jobs.contract import Job
from airflow_sfx.warehouse.warehouse import Warehouse

_MEBIBYTE = 1 << 20
_LEAST, _STEP = 256 * _MEBIBYTE, 64 * _MEBIBYTE
_FIRST_FIXED, _FIRST_FACTOR = 512 * _MEBIBYTE, 12
"""Of a job that has never run: a Parquet file becomes about six times as large, and is copied."""
_MARGIN = 1.25
_MOST_RUNS = 12
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """An earlier run of a job.

    Args:
        input_bytes: The size of its inputs, as they are stored.
        peak: The most memory that it used, in bytes.
    """

    input_bytes: int
    peak: int


def memory_for(input_bytes: int, runs: Sequence[EarlierRun]) -> int:
    """Return the limit of memory for a job.

    Args:
        input_bytes: The size of its inputs, as they are stored.
        runs: Its earlier runs.

    Returns:
        Bytes, a multiple of 64 MiB, at least 256 MiB.

    Example:
        >>> memory_for(0, []) >> 20
        640
        >>> runs = [EarlierRun(100 << 20, 700 << 20), EarlierRun(200 << 20, 1100 << 20)]
        >>> memory_for(400 << 20, runs) >> 20
        2432
    """
    if not runs:
        return _rounded(_MARGIN * (_FIRST_FIXED + _FIRST_FACTOR * input_bytes))
    slope = _slope(runs)
    fixed = max(run.peak - slope * run.input_bytes for run in runs)
    # below what was seen, the fixed part alone is an extrapolation: the smallest peak is not
    least = min(run.peak for run in runs)
    return _rounded(_MARGIN * max(fixed + slope * input_bytes, least))


def memory_of_job(warehouse: Warehouse, job: Job) -> int:
    """Return the limit of memory for a job, from its inputs and its output's history.

    Args:
        warehouse: The warehouse.
        job: The job.

    Returns:
        Bytes.
    """
    return memory_for(_bytes_of(warehouse, job.inputs), _earlier(warehouse, job))


def _slope(runs: Sequence[EarlierRun]) -> float:
    """Return the bytes of memory for a byte of input, by least squares; never negative."""
    sizes = [run.input_bytes for run in runs]
    middle, middle_peak = sum(sizes) / len(sizes), sum(run.peak for run in runs) / len(runs)
    spread = sum((size - middle) ** 2 for size in sizes)
    if not spread:
        return 0.0
    both = sum((run.input_bytes - middle) * (run.peak - middle_peak) for run in runs)
    return max(0.0, both / spread)


def _rounded(size: float) -> int:
    return max(_LEAST, -(-int(size) // _STEP) * _STEP)


def _earlier(warehouse: Warehouse, job: Job) -> list[EarlierRun]:
    """Return the newest runs of the same task in the output's history, with their peaks."""
    ref, producer = job.output.ref, job.producer
    try:
        entries = warehouse.history(ref.database, ref.table, limit=4 * _MOST_RUNS)
    except (TableNotFound, PartitionNotFound):
        return []
    found: list[EarlierRun] = []
    for entry in entries:
        one = entry.producer
        same = (one.dag_id, one.task_id) == (producer.dag_id, producer.task_id)
        if not same or one.peak_memory is None or entry.batch_id is None or entry.location:
            continue
        location = warehouse.show(ref.database, ref.table).location
        pin = BatchPin.of(ref, location, {entry.partition: entry.batch_id})
        try:
            (manifest,) = warehouse.manifests(pin)
            size = _bytes_of(
                warehouse, {str(number): p for number, p in enumerate(manifest.inputs)}
            )
        except (BatchNotFound, TableNotFound, InconsistentBatch):  # they have expired
            continue
        found.append(EarlierRun(size, one.peak_memory))
        if len(found) == _MOST_RUNS:
            break
    return found


def _bytes_of(warehouse: Warehouse, inputs: Mapping[str, BatchPin]) -> int:
    return sum(one.bytes for pin in inputs.values() for one in warehouse.manifests(pin))
