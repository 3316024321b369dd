"""Erasure in what was made from the batches that held the rows, at any depth."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_sfx.core.errors import SfxError
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.pins.lineage import all_downstream_of, replaced_batches
from airflow_sfx.warehouse.retention.erasure import ErasureReport
from airflow_sfx.warehouse.table.table import Table


@dataclass(frozen=True, slots=True)
class DownstreamErasure:
    """A table with batches made, at any depth, from batches that held rows to erase.

    Args:
        table: The table as ``database.table``.
        batches: These batches, as partition name and batch ID.
        missing: The columns of the condition that the table lacks: whether the batches hold values
            derived from the rows cannot be decided, and nothing is erased.
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
    find: Callable[[TableRef], Table],
    names: Callable[[BatchPin], Collection[TableRef]],
    *,
    dry_run: bool,
) -> ErasureReport:
    """Erase rows from the tables made from a table, and then from the table itself.

    The table comes last: until then, a repeated call finds again what was made from its batches.

    Args:
        source: The table.
        columns: The columns of the condition.
        erase: Erases the rows from a table; called with the table and whether it is a dry run.
        find: Opens a table.
        names: Returns the names that the table of a pin has and had.
        dry_run: Whether to only report what would be done.

    Returns:
        The report of the table, with those of the others.

    Raises:
        SfxError: A table could not be opened or erased from; the first table is as it was.
    """
    plan = erase(source.ref, True)
    found = []
    for ref, batches in _made_from(source, plan, names).items():
        one = DownstreamErasure(str(ref), batches)
        try:
            info = find(ref).info
            there = {one.name.lower() for one in info.columns}
            there.update(key.name for key in info.keys)
            missing = tuple(name for name in columns if name not in there)
            report = None if missing else erase(ref, dry_run)
            found.append(replace(one, missing=missing, report=report))
        except SfxError as error:
            if not dry_run:
                raise
            found.append(replace(one, problem=str(error)))
    done = plan if dry_run else erase(source.ref, False)
    return replace(done, downstream=tuple(found))


def _made_from(
    source: Table, plan: ErasureReport, names: Callable[[BatchPin], Collection[TableRef]]
) -> Mapping[TableRef, tuple[tuple[str, str], ...]]:
    """Return the batches of other tables made from those with rows, newest tables first.

    What was made from a batch before rows or a column of it were removed is followed, too.
    """
    held = [(one.partition, one.batch_id) for one in plan.batches]
    if not held:
        return {}
    own = names(source.pin(dict(held)))
    made: dict[BatchPin, None] = {}
    for pin in _pins(source, {*held, *replaced_batches(source.store, held, own)}):
        made.update({one.pin: None for one in all_downstream_of(source.store, pin, names)})
    found: dict[TableRef, dict[tuple[str, str], None]] = {}
    for pin in sorted(made, key=lambda one: max(one.batches.values()), reverse=True):
        if pin.ref not in own:
            found.setdefault(pin.ref, {}).update(dict.fromkeys(pin.entries))
    return {ref: tuple(batches) for ref, batches in found.items()}


def _pins(source: Table, batches: Iterable[tuple[str, str]]) -> Iterator[BatchPin]:
    """Yield pins of all batches; a pin has one batch of a partition."""
    left = sorted(batches)
    while left:
        chosen = dict(left)
        yield source.pin(chosen)
        left = [item for item in left if item not in chosen.items()]
