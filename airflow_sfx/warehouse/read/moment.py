"""The batches of several tables at one moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from airflow_sfx.core.errors import CommitConflict, InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef

_TRIES = 8


def same_moment(
    refs: Sequence[TableRef], pin: Callable[[TableRef], BatchPin], *, again: bool
) -> Mapping[TableRef, BatchPin]:
    """Pin tables as they were at one moment.

    Several tables are pinned twice: if none has changed in between, the pins were all current at
    the moment between.

    Args:
        refs: The tables.
        pin: Pins one of them.
        again: Whether pins may change.

    Returns:
        The pins by table.

    Raises:
        CommitConflict: Tables changed each time.
    """
    found = {ref: pin(ref) for ref in refs}
    if len(refs) < 2 or not again:  # noqa: PLR2004
        return found
    for _ in range(_TRIES):
        before, found = found, {ref: pin(ref) for ref in refs}
        if before == found:
            return found
    raise CommitConflict(
        f"the tables {', '.join(map(str, refs))} kept changing while they were pinned",
        remedy="pass pins= or as_of=",
        cli_remedy="pass --as-of",
    )


def refuse_several(refs: Sequence[TableRef], version: int) -> None:
    """Raise an error unless a version is asked of one table.

    Args:
        refs: The tables of a query that are not pinned.
        version: The version.

    Raises:
        InvalidName: There are several tables, or none.
    """
    if len(refs) != 1:
        raise InvalidName(
            f"version={version} is of one table, and the query reads"
            f" {', '.join(map(str, refs)) or 'only tables with pins'}",
            remedy="pass pins=, with sfx.pin(db, table, version=…) for each table",
            cli_remedy="query one table, or pass --as-of",
        )


def one_pin_each(pins: Iterable[BatchPin], refs: Collection[TableRef]) -> dict[TableRef, BatchPin]:
    """Return pins by table; pins of one table are merged.

    Args:
        pins: The pins.
        refs: The tables that a query names.

    Raises:
        InvalidName: A value is not a pin, a pin is of another table, or two pins name different
            batches of a partition.

    Example:
        >>> one = BatchPin.of(TableRef("a", "b"), "file:///w/a.db/b", {"1": "20161101000000"})
        >>> one_pin_each([one], [TableRef("a", "b")]) == {TableRef("a", "b"): one}
        True
    """
    found: dict[TableRef, BatchPin] = {}
    for pin in pins:
        if not isinstance(pin, BatchPin):
            raise InvalidName(
                f"pins= holds {pin!r:.80}, which is not a BatchPin: pass what pin or"
                " store_dataframe returned"
            )
        if pin.ref not in refs:
            named = ", ".join(map(str, refs)) or "no table"
            raise InvalidName(f"pins= has a pin of {pin.ref}, but the query names {named}")
        there = found.get(pin.ref, pin)
        differing = [
            name for name, batch in pin.batches.items() if there.batches.get(name, batch) != batch
        ]
        if differing:
            raise InvalidName(
                f"pins= has two batches of {pin.ref} {differing[0]}: pass one pin of each partition"
            )
        found[pin.ref] = BatchPin.of(pin.ref, pin.location, {**there.batches, **pin.batches})
    return found
