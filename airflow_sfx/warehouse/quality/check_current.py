"""Running the checks of a table on what is current."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.manifest import CheckResult, Manifest
from airflow_sfx.core.partition import Partition
from airflow_sfx.storage.concurrency import Progress, map_concurrently, with_progress
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.quality.band import WINDOW
from airflow_sfx.warehouse.quality.declared import DeclaredCheck
from airflow_sfx.warehouse.quality.run_checks import run_declared
from airflow_sfx.warehouse.quality.series import (
    Batch,
    all_series,
    current,
    current_line,
    readable_manifests,
)
from airflow_sfx.warehouse.quality.subjects import BatchSubject
from airflow_sfx.warehouse.table.table import Table

_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """What the checks found in a current batch.

    Args:
        partition: The partition.
        batch_id: The batch.
        results: The results, in the order of the checks.
    """

    partition: str
    batch_id: str
    results: tuple[CheckResult, ...]

    @property
    def failed(self) -> bool:
        """Whether a check failed whose severity is ``fail``."""
        return any(result.blocks for result in self.results)


def check_current(
    table: Table,
    log: PartitionLog,
    wanted: Sequence[Partition] | None,
    checks: Sequence[DeclaredCheck],
    progress: Progress | None = None,
) -> list[CheckedBatch]:
    """Run checks on the current batches of a table.

    Args:
        table: The table.
        log: Its log.
        wanted: The partitions, or None for all.
        checks: The checks.
        progress: Called with the number of batches checked so far and in total, or None.

    Returns:
        What they found, in the order of the partitions.

    Raises:
        InvalidName: There are no checks.
        PartitionNotFound: A partition has no current batch.
    """
    if not checks:
        raise InvalidName(
            f"{table.ref} has no checks",
            remedy="declare them with set_checks, or pass checks=",
            cli_remedy=f"declare them with `sfx check {table.ref} --set FILE.toml`",
        )
    lines = _lines(table, log)
    due = [(line, at) for line in lines for at in range(len(line))]
    if not table.info.keys:
        due = due[-1:]
    elif wanted is not None:
        names = {table.layout.name(one) for one in wanted}
        due = [(line, at) for line, at in due if line[at][0] in names]
        missing = names - {line[at][0] for line, at in due}
        if missing:
            raise table.missing(min(missing))
    known: dict[Batch, Manifest] = {}

    def manifests(batches: Sequence[Batch]) -> list[Manifest]:
        lacking = [one for one in batches if one not in known]
        known.update({(m.partition, m.batch_id): m for m in readable_manifests(table, lacking)})
        return [known[one] for one in batches if one in known]

    def check(item: tuple[list[Batch], int]) -> CheckedBatch:
        line, at = item
        manifest = table.manifest(*line[at])
        earlier = partial(manifests, line[max(0, at - WINDOW) : at])
        subject = BatchSubject(table, manifest, earlier)
        return CheckedBatch(*line[at], run_declared([subject], checks)[manifest.partition])

    return map_concurrently(with_progress(check, len(due), progress), due, _AT_ONCE)


def _lines(table: Table, log: PartitionLog) -> list[list[Batch]]:
    """Return the current batches by series; of a table without partitions, those before, too."""
    if not table.info.keys:
        line = current_line(table, log, WINDOW + 1)
        if not line:
            raise table.missing("")
        return [line]
    series = all_series(table)
    batches = dict(current(table, log, [name for one in series for name in one]))
    return [[(name, batches[name]) for name in one if name in batches] for one in series]
