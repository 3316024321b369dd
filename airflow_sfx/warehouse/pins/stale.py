"""Stale batches: current ones that were made from batches that no longer are.

Nothing is scanned. The index of downstream batches is listed, the metastore has what is current,
and only records of current batches whose inputs may have ended are read, then the logs of these
inputs. From there the search goes downstream, nearest batches first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from airflow_sfx.core.errors import (
    BatchNotFound,
    ForeignChange,
    InconsistentBatch,
    InvalidName,
    TableNotFound,
)
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore, PartitionInfo
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.pins.input_ends import Cause, InputEnd, ends_of
from airflow_sfx.warehouse.pins.lineage import Edge, all_edges, digest, read_edges
from airflow_sfx.warehouse.table.log_only import log_only_table
from airflow_sfx.warehouse.table.names import renamed_tables
from airflow_sfx.warehouse.table.renamed import table_at
from airflow_sfx.warehouse.table.table import Table

_CALLS = 16
"""How many calls of the metastore run at once."""

Item = tuple[TableRef, str, str]
"""A batch: its table, its partition's name and its ID."""


@dataclass(frozen=True, slots=True)
class StaleBatch:
    """A current batch that was made, at any depth, from a batch that is no longer current.

    Args:
        table: The table as ``database.table``.
        partition: The partition's name.
        batch_id: The stale batch.
        input: The pin of the input that is no longer current; of several, one of the gravest cause.
        cause: How that input ended.
        since: When it ended, in UTC, or None if another engine dropped its table.
        producer: Who ended it.
        reason: Why, in the words of that author.
        path: The batches between the input and the stale batch, nearest to the input first; empty
            if the batch was made from the input itself.
    """

    table: str
    partition: str
    batch_id: str
    input: BatchPin
    cause: Cause
    since: datetime | None
    producer: Producer
    reason: str
    path: tuple[BatchPin, ...] = ()


def stale_batches(
    store: ObjectStore, metastore: Metastore, damaged: dict[str, str] | None = None
) -> list[StaleBatch]:
    """Find the stale batches of a warehouse.

    Args:
        store: The warehouse's object store.
        metastore: Its metastore.
        damaged: Gets the tables whose log cannot be read, with the reasons; what was made from
            their batches is left out. None raises the error.

    Returns:
        The stale batches, each once, sorted by table and partition.

    Raises:
        InconsistentBatch: A log is damaged.
    """
    # A batch that replaces another one is recorded with the inputs of that, too.
    edges = [edge for edge in all_edges(store) if not edge.rewritten]
    if not edges:
        return []
    search = _Search(_Tables(store, metastore), store, damaged)
    search.start(edges)
    return search.run()


@dataclass
class _Known:
    """A table and its pointers."""

    table: Table
    pointers: Mapping[str, PartitionInfo]
    lasting: bool = False
    """Whether its batches do not end, as versions of a model; their inputs may have."""

    @cached_property
    def ids(self) -> frozenset[str]:
        """The IDs of all current batches."""
        return frozenset(one.batch_id for one in self.pointers.values() if one.batch_id)

    @cached_property
    def by_digest(self) -> dict[str, str | None]:
        """The current batch of each partition, by the digest of its name."""
        return {digest(name): one.batch_id for name, one in self.pointers.items()}


class _Tables:
    """The tables of the warehouse, each read once, when it is needed."""

    def __init__(self, store: ObjectStore, metastore: Metastore) -> None:
        self._store, self._metastore = store, metastore
        self._known: dict[TableRef, _Known | None] = {}

    def names(self) -> Iterator[TableRef]:
        """Yield the names of all tables."""
        for database in self._metastore.databases():
            for table in self._metastore.tables(database):
                try:
                    yield TableRef(database, table)
                except InvalidName:  # of another engine, and nothing of ours is in it
                    continue

    def load(self, refs: Iterable[TableRef]) -> None:
        """Read tables, several at a time."""
        due = sorted({ref for ref in refs if ref not in self._known})
        self._known.update(zip(due, map_concurrently(self._read, due, _CALLS), strict=True))

    def get(self, ref: TableRef) -> _Known | None:
        """Return a table, or None if this warehouse does not have it."""
        if ref not in self._known:
            self.load([ref])
        return self._known[ref]

    def now_named(self, pin: BatchPin) -> TableRef:
        """Return what the table of a pin is called now."""
        if pin.ref not in self.renamed:
            return pin.ref
        try:
            return table_at(pin.ref, pin.location, self._store, self._metastore).ref
        except (TableNotFound, ForeignChange):
            return pin.ref

    @cached_property
    def renamed(self) -> frozenset[TableRef]:
        """The names that tables had before they were renamed."""
        return renamed_tables(self._store)

    def is_current(self, item: Item) -> bool:
        """Return whether a batch is current."""
        known = self.get(item[0])
        pointer = known.pointers.get(item[1]) if known else None
        return pointer is not None and pointer.batch_id == item[2]

    def _read(self, ref: TableRef) -> _Known | None:
        try:
            table = Table.find_ended(ref, self._store, self._metastore)
        except (TableNotFound, ForeignChange):  # dropped, or made anew, by another engine
            model = log_only_table(ref, self._store)
            return _Known(model, {}, lasting=True) if model is not None else None
        return _Known(table, table.pointers(None))


@dataclass(eq=False)
class _Work:
    """Current batches that one call made, and all that it made them from."""

    made: list[Item]
    reads: set[Item]
    own: frozenset[tuple[TableRef, str]]

    def is_own(self, item: Item) -> bool:
        """Return whether a batch is of a partition that the call wrote."""
        return item[:2] in self.own


@dataclass
class _Search:
    """The search from inputs that ended to the current batches below them."""

    tables: _Tables
    store: ObjectStore
    damaged: dict[str, str] | None = None
    works: list[_Work] = field(default_factory=list)
    by_read: dict[Item, list[_Work]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[Item, InputEnd | None] = field(default_factory=dict)
    locations: dict[TableRef, str] = field(default_factory=dict)
    later: dict[tuple[TableRef, str, str], list[Edge]] = field(
        default_factory=lambda: defaultdict(list)
    )
    found: dict[Item, StaleBatch] = field(default_factory=dict)

    def start(self, edges: list[Edge]) -> None:
        """Read the records of current batches whose inputs may have ended, and these ends."""
        renamed = {digest(str(ref)) for ref in self.tables.renamed}
        sources = {edge.source for edge in edges if edge.source} - self.tables.renamed
        self.tables.load(sources)
        due = [edge for edge in edges if not self._comes_later(edge)]
        if not due:
            return
        by_digest = {digest(str(ref)): ref for ref in self.tables.names()}
        made = {edge: by_digest.get(edge.made_table) for edge in due}
        self.tables.load(filter(None, made.values()))
        known = {
            edge: self.tables.get(ref) if ref and edge.made_table not in renamed else None
            for edge, ref in made.items()
        }
        self._add(edge for edge, table in known.items() if not table or edge.made_id in table.ids)
        self._find_ends()

    def _comes_later(self, edge: Edge) -> bool:
        """Keep a record whose input is current, in case that is stale itself."""
        known = edge.source is not None and edge.source not in self.tables.renamed
        source = self.tables.get(edge.source) if edge.source and known else None
        if (
            not source
            or not edge.read_id
            or source.by_digest.get(edge.read_partition) != edge.read_id
        ):
            return False
        self.later[source.table.ref, edge.read_partition, edge.read_id].append(edge)
        return True

    def run(self) -> list[StaleBatch]:
        """Go downstream from the ends, from those of the gravest cause first."""
        for cause in Cause:
            level = [item for work in self.works for item in self._directly_stale(work, cause)]
            while level:
                self._add(
                    edge
                    for ref, name, batch_id in level
                    for edge in self.later.pop((ref, digest(name), batch_id), ())
                )
                level = [new for item in level for new in self._below(item)]
        return sorted(self.found.values(), key=lambda one: (one.table, one.partition))

    def _add(self, edges: Iterable[Edge]) -> None:
        """Read records, and keep those that made a current batch."""
        records = [(read, one.pin) for read, one in read_edges(self.store, edges)]
        names = {pin: self.tables.now_named(pin) for record in records for pin in record}
        self.tables.load(names.values())
        for read, pin in records:
            self.locations.setdefault(names[read], read.location)
            every = self._items(pin)
            made = [item for item in every if self.tables.is_current(item)]
            if not made:
                continue
            work = _Work(made, set(self._items(read)), frozenset(item[:2] for item in every))
            # A batch that continues its own partition replaces its input, which is no fault.
            own = {item for item in work.reads if work.is_own(item)}
            work.reads -= own
            work.reads |= self._inputs_through(own, work)
            self._register(work, work.reads)
            self.works.append(work)

    def _register(self, work: _Work, reads: Iterable[Item]) -> None:
        for item in reads:
            self.by_read[item].append(work)

    def _inputs_through(self, items: Iterable[Item], work: _Work) -> set[Item]:
        """Return the inputs of batches that are not to be considered themselves."""
        found: set[Item] = set()
        seen: set[Item] = set()
        due = set(items)
        while due:
            seen |= due
            inputs = {
                item
                for read in map_concurrently(self._inputs, due, self.store.concurrency)
                for item in read
            }
            due = {item for item in inputs if work.is_own(item)} - seen
            found |= {item for item in inputs if not work.is_own(item)}
        return found

    def _inputs(self, item: Item) -> list[Item]:
        """Return what a batch was made from, by its manifest."""
        known = self.tables.get(item[0])
        if known is None:
            return []
        try:
            manifest = known.table.manifest(item[1], item[2])
        except (BatchNotFound, InconsistentBatch):  # expired: what it was made from is not known
            return []
        ours = [pin for pin in manifest.inputs if pin.location.startswith(f"{self.store.uri}/")]
        found = []
        for pin in ours:
            self.locations.setdefault(self.tables.now_named(pin), pin.location)
            found += self._items(pin)
        return found

    def _items(self, pin: BatchPin) -> list[Item]:
        ref = self.tables.now_named(pin)
        return [(ref, name, batch_id) for name, batch_id in pin.entries]

    def _find_ends(self) -> None:
        """Find how the inputs that are not current ended."""
        while due := {
            item
            for work in self.works
            for item in work.reads
            if item not in self.ends and not self.tables.is_current(item)
        }:
            self.ends |= self._ends(due)
            for work in self.works:
                # What was staged and never current did not end, but its inputs may have.
                never = {item for item in work.reads & due if self.ends[item] is None}
                if never:
                    new = self._inputs_through(never, work) - work.reads
                    work.reads |= new
                    self._register(work, new)

    def _ends(self, items: Iterable[Item]) -> dict[Item, InputEnd | None]:
        by_table: dict[TableRef, list[tuple[str, str]]] = defaultdict(list)
        for ref, name, batch_id in items:
            by_table[ref].append((name, batch_id))
        found: dict[Item, InputEnd | None] = {}
        for ref, batches in by_table.items():
            known = self.tables.get(ref)
            ends = self._ends_of(known, batches) if known and not known.lasting else {}
            for one in batches:
                found[ref, *one] = ends.get(one) if known else InputEnd(Cause.DROPPED)
        return found

    def _ends_of(
        self, known: _Known, batches: Sequence[tuple[str, str]]
    ) -> Mapping[tuple[str, str], InputEnd]:
        try:
            return ends_of(known.table, known.pointers, batches)
        except InconsistentBatch as error:
            if self.damaged is None:
                raise
            self.damaged[str(known.table.ref)] = str(error)
            return {}

    def _directly_stale(self, work: _Work, cause: Cause) -> Iterator[Item]:
        ended = [
            (end.at.isoformat() if end.at else "", item, end)
            for item in work.reads
            if (end := self.ends.get(item)) is not None and end.cause is cause
        ]
        for made in work.made:
            counted = [one for one in ended if not self._is_refresh(one[1], one[2], made)]
            if not counted or made in self.found:
                continue
            _, item, end = max(counted, key=lambda one: one[:2])
            self.found[made] = StaleBatch(
                str(made[0]), *made[1:], self._pin(item), cause, end.at, end.producer, end.reason
            )
            yield made

    def _is_refresh(self, item: Item, end: InputEnd, made: Item) -> bool:
        """Return whether a partition was made from a table that is written anew every night.

        It has what was so then, as it ought to.
        """
        source, target = self.tables.get(item[0]), self.tables.get(made[0])
        if not end.refreshed or source is None or target is None:
            return False
        return not source.table.info.keys and bool(target.table.info.keys)

    def _below(self, item: Item) -> Iterator[Item]:
        above = self.found[item]
        for work in self.by_read.get(item, ()):
            for made in work.made:
                if made in self.found:
                    continue
                self.found[made] = StaleBatch(
                    str(made[0]),
                    *made[1:],
                    above.input,
                    above.cause,
                    above.since,
                    above.producer,
                    above.reason,
                    (*above.path, self._pin(item)),
                )
                yield made

    def _pin(self, item: Item) -> BatchPin:
        ref, name, batch_id = item
        known = self.tables.get(ref)
        location = known.table.location if known else self.locations[ref]
        return BatchPin.of(ref, location, {name: batch_id})
