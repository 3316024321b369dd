"""Read the ledgers of a table's partitions, and append to them.

Appending, finding the head and reading the newest entries cost the same however many entries there
are:

- The metastore's pointer names a recent entry, the hint.
- Entries are numbered without gaps, so the last one is found by probing one, two, four entries
  further.
- Each entry names the one that was in effect before it.
"""

from __future__ import annotations

import contextlib
import gzip
import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from airflow_sfx.core.errors import InconsistentBatch, WarehouseUnavailable
from airflow_sfx.core.io.decompression import decompress
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.serde import check_time, decode, decoding, encode
from airflow_sfx.storage.concurrency import MANY, map_concurrently, put_all
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.warehouse.log.records import (
    CommitRecord,
    Decision,
    Head,
    made_at,
    partition_of,
    read_commit,
)
from airflow_sfx.warehouse.table.table import Table

_POLL_SECONDS = (0.002, 0.05)
_PREFETCH = 64
_BUNDLES = 4
"""The most commits of many partitions that are searched among the heads of a table."""


class Ledger:
    """The ledgers of one table.

    Args:
        table: The table.
    """

    def __init__(self, table: Table) -> None:
        self._opened = table
        self._store = table.store
        self._layout = table.layout
        self._table = str(table.ref)
        self._decided: dict[str, bool] = {}

    def read(self, name: str, sequence: int) -> LedgerEntry | None:
        """Return an entry of a partition's ledger, or None if the number does not exist."""
        path = self._layout.entry(name, sequence)
        data = self._store.get(path)
        if data is None:
            return None
        entry = LedgerEntry.from_text(data, path)
        if (entry.partition, entry.sequence) != (name, sequence):
            raise InconsistentBatch(
                f"the ledger entry {path} belongs elsewhere: it was moved or copied", partition=name
            )
        return entry

    def named(self, name: str, sequence: int) -> LedgerEntry:
        """Return an entry that another entry or the metastore's pointer names.

        Raises:
            InconsistentBatch: It was removed.
        """
        return self._present(name, sequence, {})

    def append(self, *entries: LedgerEntry) -> bool:
        """Create the entries of a commit, and return whether all of them exist now.

        The first is written before the others: of two writers of the same partitions, one stops
        there and leaves nothing behind. Many entries are also written as one object, so that audits
        need not read each of them.
        """
        texts = [one.to_text() for one in entries]
        paths = [self._layout.entry(one.partition, one.sequence) for one in entries]
        objects = [(path, text.encode()) for path, text in zip(paths, texts, strict=True)]
        if len(entries) >= MANY:
            bundle = gzip.compress("\n".join(texts).encode(), 1, mtime=0)
            objects.append((self._layout.entries(entries[0].commit), bundle))
        return all(put_all(self._store, objects, led=True))

    def group(
        self, commit: str, names: Collection[str] | None = None
    ) -> dict[tuple[str, int], LedgerEntry]:
        """Return the entries of a commit of many partitions from their common object.

        These are the entries that the commit tried to write; see `in_effect`.

        Args:
            commit: The commit.
            names: The partitions whose entries to return, or None for all.

        Returns:
            The entries by partition and number; none without a common object.
        """
        path = self._layout.entries(commit)
        data = self._store.get(path)
        if data is None:
            return {}
        try:
            lines = decompress(data, gzip=True).decode().split("\n")
        except ValueError as error:
            raise InconsistentBatch(
                f"{path} was altered after it was written: {error}; restore it"
            ) from error
        found = [
            LedgerEntry.from_text(line, path)
            for line in lines
            if names is None or partition_of(line, path) in names
        ]
        return {(one.partition, one.sequence): one for one in found}

    def head(self, name: str, hint: int = 0) -> Head:
        """Return the head of a ledger, without waiting for undecided commits.

        Args:
            name: The partition's name.
            hint: The number of an entry that exists, from the metastore's pointer, or 0.

        Returns:
            The head. An entry whose commit is not decided yet is not in effect.
        """
        return self._head(name, self._last(name, hint))

    def heads(self, hints: dict[str, int]) -> dict[str, Head]:
        """Return the heads of several partitions, by name."""
        if len(hints) == 1 and self._store.concurrency > 1:
            ((name, hint),) = hints.items()
            return {name: self._head_at_once(name, hint)}
        return dict(
            zip(
                hints,
                map_concurrently(
                    lambda item: self.head(*item), hints.items(), self._store.concurrency
                ),
                strict=True,
            )
        )

    def _head_at_once(self, name: str, hint: int) -> Head:
        """Return the head, reading the hint's entry while probing for the next one."""
        with ThreadPoolExecutor(1, thread_name_prefix="sfx") as pool:
            likely = pool.submit(self._head, name, hint)
            last = self._last(name, hint)
            return likely.result() if last == hint else self._head(name, last)

    def likely_heads(self, hints: dict[str, int]) -> dict[str, Head]:
        """Return the heads at the hints, without probing for later entries.

        This is enough for writers: appending to a ledger that has later entries fails, and the
        writer reads the heads again.
        """
        known = self._bundled([item for item in hints.items() if item[1]])

        def likely(item: tuple[str, int]) -> Head:
            return self._head(*item, known.get(item)) if item[1] else self.head(*item)

        return dict(
            zip(
                hints, map_concurrently(likely, hints.items(), self._store.concurrency), strict=True
            )
        )

    def _bundled(self, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], LedgerEntry]:
        """Return those of the entries that common objects of large commits hold."""
        found: dict[tuple[str, int], LedgerEntry] = {}
        rest = list(wanted)
        for _ in range(_BUNDLES):
            if len(rest) < MANY:
                break
            # The latest days are at the ends, and are often rewritten alone.
            item = rest.pop(len(rest) // 2)
            sample = self.read(*item)
            if sample is None:
                continue
            found[item] = sample
            if sample.group and self.in_effect(sample):
                # The entries themselves exist, and audits report a damaged common object.
                with contextlib.suppress(InconsistentBatch):
                    group = self.group(sample.commit, {name for name, _ in rest})
                    found |= {one: group[one] for one in rest if one in group}
                    rest = [one for one in rest if one not in group]
        return found

    def continued(self, hints: Mapping[str, int]) -> list[str]:
        """Return the partitions whose ledgers have an entry after the known one.

        Args:
            hints: The number of the known entry by partition name, or 0 for none.
        """

        def longer(item: tuple[str, int]) -> bool:
            return self._store.head(self._layout.entry(item[0], item[1] + 1)) is not None

        found = zip(
            hints, map_concurrently(longer, hints.items(), self._store.concurrency), strict=True
        )
        return [name for name, is_longer in found if is_longer]

    def settle(self, name: str, hint: int = 0) -> Head:
        """Return the head, after every commit of the partition is decided.

        Waits for commits under way. A commit whose lease is over is decided against, which is safe
        at any time: its writer notices and starts again. A lease is over by the clock, or after
        waiting for its full length, because the writer's clock may be ahead.
        """
        met: dict[str, float] = {}
        while True:
            head = self._head(name, self._last(name, hint))
            if not head.undecided:
                return head
            entry = self._present(name, head.last, {})
            waited = time.monotonic() - met.setdefault(entry.commit, time.monotonic())
            end, seconds = self._lease(entry)
            if datetime.now(UTC) > end or waited > seconds:
                self.decide(entry.commit, committed=False)
            else:
                time.sleep(random.uniform(*_POLL_SECONDS))  # noqa: S311
            hint = head.last

    def settled(self, heads: Mapping[str, Head], *, again: bool) -> dict[str, Head]:
        """Return heads that entries can be appended to.

        Args:
            heads: Heads as last read, by partition name.
            again: Whether to read all of them again, or only those that were undecided.

        Returns:
            The heads, every commit decided.
        """
        due = {name: head for name, head in heads.items() if again or head.undecided}
        return {
            **heads,
            **dict(
                zip(
                    due,
                    map_concurrently(lambda item: self.settle(item[0], item[1].last), due.items()),
                    strict=True,
                )
            ),
        }

    def in_effect(self, entry: LedgerEntry) -> bool | None:
        """Return whether an entry is in effect, or None while its commit is not decided."""
        return self.took_effect(entry.commit) if entry.group else True

    def took_effect(self, commit: str) -> bool | None:
        """Return whether a commit of several partitions took effect; None if undecided."""
        if commit not in self._decided:
            decision = self._decision(commit)
            if decision is None:
                return None
            self._decided[commit] = decision
        return self._decided[commit]

    def decide(self, commit: str, *, committed: bool) -> bool:
        """Decide a commit of several partitions, unless it is decided already.

        Args:
            commit: The commit.
            committed: The decision to make.

        Returns:
            The decision that counts.
        """
        try:
            self._store.put_if_absent(
                self._layout.decision(commit), encode({"committed": committed}).encode()
            )
        except WarehouseUnavailable:  # only the response may be lost
            if self._decision(commit) is None:
                raise
        decision = wait_until_visible(self._store, lambda: self._decision(commit))
        if decision is None:
            raise InconsistentBatch(f"the decision of the commit {commit} is gone: it was removed")
        self._decided[commit] = decision
        return decision

    def members(self, commit: str) -> dict[str, int]:
        """Return the entry numbers of a commit by partition; none without a record."""
        record = read_commit(self._opened, commit)
        path = self._layout.commit(commit)
        return {} if record is None else dict(self.changes(record, path))

    def changes(self, record: CommitRecord, path: str) -> list[tuple[str, int]]:
        """Return the partitions' names and the entries' numbers of a commit.

        Raises:
            InconsistentBatch: A name is not one of the table's partitions.
        """
        with decoding(path):
            for change in record.changes:
                self._layout.partition(change.partition)
        return [(change.partition, change.sequence) for change in record.changes]

    def newest_first(self, name: str, head: Head) -> Iterator[LedgerEntry]:
        """Yield the entries in effect, newest first; earlier ones are read when they are needed."""
        due, last, ahead = head.entry, head.last, 1
        known: dict[int, LedgerEntry] = {}
        while due is not None:
            yield due
            if not due.parent:
                return
            if due.parent not in known:
                last, ahead = due.parent, min(ahead * 4, _PREFETCH)
                numbers = range(max(1, last - ahead + 1), last + 1)
                found = map_concurrently(
                    lambda number: self.read(name, number), numbers, self._store.concurrency
                )
                known = {entry.sequence: entry for entry in found if entry is not None}
            due = self._present(name, due.parent, known)

    def last_move(self, name: str, head: Head) -> LedgerEntry | None:
        """Return the entry that last changed the current batch, or None without entries."""
        if head.entry is None or head.entry.moved:
            return head.entry
        return next((entry for entry in self.newest_first(name, head) if entry.moved), head.entry)

    def last_moves(self, heads: Mapping[str, Head]) -> list[LedgerEntry]:
        """Return the `last_move` of all partitions that have entries."""
        stayed = [name for name, head in heads.items() if head.entry and not head.entry.moved]
        found = map_concurrently(
            lambda name: self.last_move(name, heads[name]), stayed, self._store.concurrency
        )
        entries = {
            **{name: head.entry for name, head in heads.items()},
            **dict(zip(stayed, found, strict=True)),
        }
        return [entry for entry in entries.values() if entry]

    def passed(self, entry: LedgerEntry, known: int) -> list[LedgerEntry]:
        """Return an entry and those since a known number, newest first, limited."""
        found = [entry]
        while found[-1].parent > known and len(found) < _PREFETCH:
            found.append(self._present(entry.partition, found[-1].parent, {}))
        return found

    def as_of(self, name: str, head: Head, at: datetime) -> LedgerEntry | None:
        """Return the entry that was in effect at a time, or None, by binary search."""
        now = datetime.now(UTC)
        if head.entry is None or self._made_at(head.entry, now) <= at:
            return head.entry
        before, after = 0, head.entry.sequence  # times only grow along the numbers
        while after - before > 1:
            middle = (before + after) // 2
            entry = self._present(name, middle, {})
            before, after = (middle, after) if self._made_at(entry, now) <= at else (before, middle)
        return self._effective(name, before)

    def _made_at(self, entry: LedgerEntry, now: datetime) -> datetime:
        """Return when an entry was made, with a request only for times in the future."""
        return (
            entry.at
            if entry.at <= now
            else made_at(entry.at, self._store.head(self._layout.commit(entry.commit)), now)
        )

    def names(self) -> list[str]:
        """Return the names of all partitions that have a ledger."""
        depth = len(self._layout.keys)
        if not depth:
            return [""] if self._store.list_directories(self._layout.ledgers) else []
        found = [""]
        for _ in range(depth):
            found = [
                f"{above}/{name}".lstrip("/")
                for above in found
                for name in self._store.list_directories(
                    f"{self._layout.ledgers}/{above}".rstrip("/")
                )
            ]
        return found

    def _last(self, name: str, hint: int) -> int:
        def exists(number: int) -> bool:
            return self._store.head(self._layout.entry(name, number)) is not None

        low, step = hint, 1
        while exists(low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if exists(middle) else (low, middle)
        return low

    def _head(self, name: str, last: int, final: LedgerEntry | None = None) -> Head:
        if not last:
            return Head()
        final = final or self._present(name, last, {})
        effect = self.in_effect(final)
        return Head(
            last,
            final if effect else self._effective(name, final.parent),
            final.at,
            undecided=effect is None,
        )

    def _effective(self, name: str, sequence: int) -> LedgerEntry | None:
        while sequence:
            entry = self._present(name, sequence, {})
            if self.in_effect(entry):
                return entry
            sequence = entry.parent
        return None

    def _present(self, name: str, sequence: int, known: dict[int, LedgerEntry]) -> LedgerEntry:
        entry = known.get(sequence) or wait_until_visible(
            self._store, lambda: self.read(name, sequence)
        )
        if entry is None:
            raise InconsistentBatch(
                f"the ledger of {name or 'the table'} has no entry {sequence}:"
                f" {self._layout.entry(name, sequence)} was removed; restore it",
                table=self._table,
                partition=name,
            )
        return entry

    def _decision(self, commit: str) -> bool | None:
        path = self._layout.decision(commit)
        data = self._store.get(path)
        return None if data is None else decode(data, Decision, path).committed

    def _lease(self, entry: LedgerEntry) -> tuple[datetime, int]:
        """Return the end of a commit's lease by its writer's clock, and its seconds."""
        path = self._layout.commit(entry.commit)
        data = self._store.get(path)
        if data is None:
            return entry.at, 0
        record = decode(data, CommitRecord, path)
        seconds = record.lease_seconds  # fewer where the entry's time is ahead of the clock
        with decoding(path):
            end = check_time(record.at, "at") + timedelta(seconds=seconds)
        return end, record.wait_seconds or max(seconds, 0)
