"""Erasure in what was made from the batches that held the rows, at any depth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_sfx.core.errors import BatchNotFound, SfxError
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.pins.lineage import all_downstream_of, replaced_batches
from airflow_sfx.warehouse.pins.trained import pins_of
from airflow_sfx.warehouse.retention.erasure import ErasureReport
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import list_tombstones, refused_by

Names = Callable[[BatchPin], Sequence[TableRef]]
"""Returns the names that the table of a pin has and had, the present one first."""


@dataclass(frozen=True, slots=True)
class DownstreamErasure:
    """A table with batches made, at any depth, from batches that held rows to erase.

    Args:
        table: The table as ``database.table``.
        batches: These batches, as partition name and batch ID.
        missing: The columns of the condition that some of the batches lack: whether these hold
            values derived from the rows cannot be decided. If all batches lack one, nothing is
            erased.
        report: The erasure of the table, or None if nothing was erased or searched.
        problem: Why a dry run could not search the table; otherwise empty.
    """

    table: str
    batches: tuple[tuple[str, str], ...]
    missing: tuple[str, ...] = ()
    report: ErasureReport | None = None
    problem: str = ""


def erase_with_downstream(
    source: Table,
    columns: Sequence[str],
    erase: Callable[[TableRef, bool], ErasureReport],
    find: Callable[[BatchPin], Table],
    names: Names,
    *,
    dry_run: bool,
) -> ErasureReport:
    """Erase rows from the tables made from a table, and then from the table itself.

    The table comes last: until then, a repeated call finds again what was made from its batches.

    Args:
        source: The table.
        columns: The columns of the condition.
        erase: Erases the rows from a table; called with the table and whether it is a dry run.
        find: Opens the table of a pin, whatever it is called now.
        names: Returns the names that the table of a pin has and had, the present one first.
        dry_run: Whether to only report what would be done.

    Returns:
        The report of the table, with those of the others.

    Raises:
        SfxError: A table could not be opened or erased from; the first table is as it was.
    """
    plan = erase(source.ref, True)
    found = []
    for ref, pins in _made_from(source, plan, _asked_once(names)).items():
        one = DownstreamErasure(
            str(ref), tuple(dict.fromkeys(item for pin in pins for item in pin.entries))
        )
        try:
            table = find(pins[0])
            held = _columns_of(table, one.batches)
            missing = tuple(name for name in columns if not all(name in some for some in held))
            known = set().union(*held).issuperset(columns)
            report = erase(table.ref, dry_run) if known else None
            found.append(replace(one, missing=missing, report=report))
        except SfxError as error:
            if not dry_run:
                raise
            found.append(replace(one, problem=str(error)))
    done = plan if dry_run else erase(source.ref, False)
    return replace(done, downstream=tuple(found))


def _columns_of(table: Table, batches: Collection[tuple[str, str]]) -> list[set[str]]:
    """Return the columns of those batches that have not expired; if all have, the table's.

    The table itself may lack a column that a batch has: it was rolled back, or is staged.
    """
    keys = {key.name.lower() for key in table.info.keys}

    def columns(item: tuple[str, str]) -> set[str] | None:
        try:
            manifest = table.manifest(*item)
        except BatchNotFound:
            return None
        return keys.union(one.name.lower() for one in manifest.columns)

    gone = refused_by(list_tombstones(table, ended=True))
    left = [item for item in batches if item not in gone]
    held = map_concurrently(columns, left, table.store.concurrency)
    return [some for some in held if some is not None] or [
        keys.union(one.name.lower() for one in table.info.columns)
    ]


def _asked_once(names: Names) -> Names:
    """Return the same function, which asks once for each table."""
    known: dict[tuple[TableRef, str], Sequence[TableRef]] = {}

    def ask(pin: BatchPin) -> Sequence[TableRef]:
        key = pin.ref, pin.location
        if key not in known:
            known[key] = names(pin)
        return known[key]

    return ask


def _made_from(
    source: Table, plan: ErasureReport, names: Names
) -> Mapping[TableRef, list[BatchPin]]:
    """Return pins of what was made from batches with rows, by other tables, newest tables first.

    What was made from a batch before rows or a column of it were removed is followed, too.
    """
    held = [(one.partition, one.batch_id) for one in plan.batches]
    if not held:
        return {}
    before = replaced_batches(source.store, held, names(source.pin(dict(held))))
    made: dict[BatchPin, None] = {}
    for pin in pins_of(source, {*held, *before}):
        made.update({one.pin: None for one in all_downstream_of(source.store, pin, names)})
    found: dict[TableRef, list[BatchPin]] = {}
    for pin in sorted(made, key=lambda one: max(one.batches.values()), reverse=True):
        ref = names(pin)[0]
        if ref != source.ref:
            found.setdefault(ref, []).append(pin)
    return found
