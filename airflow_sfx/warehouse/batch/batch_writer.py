"""Write batches: claim a batch ID, write files, and add the manifest.

All batches of a call have the same batch ID, which the call has claimed, so that no other writer of
the table uses it. The manifest of all of them comes last; a batch without one is unfinished.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from airflow_sfx.core.batch_id import next_batch_id
from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.manifest import CheckResult, DataFile, Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, TableFit
from airflow_sfx.core.stored.call_manifest import manifests_to_bytes
from airflow_sfx.storage.concurrency import MANY, map_concurrently, run_both
from airflow_sfx.warehouse.batch.file_writer import EncodedFile, FileWriter, FoundFile
from airflow_sfx.warehouse.log.drift import DriftWatch, Reconcile
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import refuse_expired_writes

_LARGE_FILE = 1 << 20
"""From this size in bytes, a thread that computes the checksum during the upload pays off."""


Chunk = tuple[str, Any]
"""A partition's name and the rows of one of its files, as a pyarrow Table."""


@dataclass(frozen=True, slots=True)
class BatchContent:
    """The content that all batches of a call have in common.

    Args:
        schema: Gives the frame's Arrow schema as text; asked when all has been written.
        columns: Its columns with Hive types, without the partition keys.
        producer: Who writes.
        inputs: What it was made from.
        fit: Gives how the frame was fitted to the table; asked when all has been written.
    """

    schema: Callable[[], str]
    columns: tuple[Column, ...]
    producer: Producer
    inputs: tuple[BatchPin, ...] = ()
    fit: Callable[[], TableFit] = TableFit


@dataclass(slots=True)
class _Draft:
    """A batch that is being written."""

    batch_id: str
    files: list[DataFile] = field(default_factory=list)
    encoded: list[EncodedFile | FoundFile] = field(default_factory=list)
    location: str = ""
    results: tuple[CheckResult, ...] = ()


class BatchWriter:
    """The batches that one call writes, one per partition.

    Args:
        table: The table.
        log: Its log.
        content: The content that they have in common.
        reconcile: Records changes by other engines in the history before the partitions
            change, or None if the batches are such changes.
    """

    def __init__(
        self,
        table: Table,
        log: PartitionLog,
        content: BatchContent,
        *,
        reconcile: Reconcile | None = None,
    ) -> None:
        self._table = table
        self.log = log
        self.watch = DriftWatch(table, log, reconcile)
        self._content = content
        self._token = uuid.uuid4().hex
        self._reserved = ""
        self._drafts: dict[str, _Draft] = {}
        self.heads: dict[str, Head] = {}

    def describe(self, content: BatchContent) -> None:
        """Set the common content, if it is known only after the files are written."""
        self._content = content

    @property
    def batches(self) -> dict[str, str]:
        """The batch ID of each partition, by name."""
        return {name: draft.batch_id for name, draft in self._drafts.items()}

    def reserve(self, newest: str) -> str:
        """Claim the call's batch ID before its partitions are known, as it is in their names.

        Such partitions are new: neither the log nor the metastore is read for them.

        Args:
            newest: An ID that other calls are known to have reached, or empty text.

        Returns:
            The ID.
        """
        self._reserved = self._take(newest)
        return self._reserved

    def claim(self, names: Sequence[str]) -> None:
        """Give partitions the call's batch ID, or claim a greater one if they need it.

        Args:
            names: The partitions' names, none of which has an ID yet.
        """
        for name in names:
            self._table.metastore.check(self._table.layout.partition(name))
        if self._reserved:
            self.heads.update(dict.fromkeys(names, Head(None, self.log.state.version)))
        else:
            self.heads.update(self.watch.begin(names))
        mine = max(self.batches.values(), default=self._reserved)
        newest = max((self.heads[name].newest for name in names), default="")
        batch_id = mine if mine > newest else self._take(newest)
        self._drafts.update({name: _Draft(batch_id) for name in names})

    def write(
        self,
        chunks: Iterable[Chunk],
        encode: Callable[[Any], EncodedFile],
        *,
        small: bool,
        claim: Sequence[str] = (),
    ) -> None:
        """Write files concurrently, and claim their partitions as they come.

        Args:
            chunks: The rows of each file, in the order in which they are to be read.
            encode: Makes a Parquet file of rows; used from several threads.
            small: Whether the files are small, so that waiting for storage, not encoding, takes the
                time.
            claim: The partitions that are known before, claimed together while the first files are
                encoded.
        """
        store = self._table.store
        threads = max(2, os.cpu_count() or 2, store.concurrency if small else 0)
        synced = len(claim) < MANY
        known = set(claim)
        with ThreadPoolExecutor(threads + 1, thread_name_prefix="sfx-write") as pool:
            try:
                claimed = pool.submit(self.claim, claim) if claim else None
                writer = FileWriter(
                    pool,
                    encode,
                    partial(self._put, synced=synced),
                    claimed=claimed,
                    small=len(claim) if small else 0,
                    threads=threads,
                )
                for name, rows in chunks:
                    if name not in known and name not in self._drafts:
                        self.claim([name])
                    writer.add(name, rows)
                    del rows
                for written in writer.written():
                    self._drafts[written.name].files.append(written.file)
                    self._drafts[written.name].encoded.append(written.encoded)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def replaced(self) -> list[Manifest]:
        """Return the manifests of the current batches of the claimed partitions."""
        current = {name: self.heads[name].batch_id for name in self._drafts}
        return self._table.manifests(
            {name: batch_id for name, batch_id in current.items() if batch_id}
        )

    def have_same_rows(self, manifests: Sequence[Manifest]) -> bool:
        """Return whether complete batches have the written files and the same inputs.

        Args:
            manifests: The manifests of the complete batches, one for each of the partitions.
        """
        schema = self._content.schema()
        return all(
            (one.schema, one.columns, one.inputs)
            == (schema, self._content.columns, self._content.inputs)
            and "" not in (theirs := [file.sha256 for file in one.files])
            and theirs == [file.sha256 for file in self._drafts[one.partition].files]
            for one in manifests
        )

    def register(self, name: str, files: Sequence[FoundFile]) -> None:
        """Add files that other processes have written into a claimed batch's directory.

        Args:
            name: The partition's name.
            files: The files, in the order in which they are to be read.
        """
        draft = self._drafts[name]
        draft.files.extend(found.file for found in files)
        draft.encoded.extend(files)

    def leave_orphan_files(self) -> None:
        """Move to another ID if a directory has files that are not registered."""
        if any(
            map_concurrently(
                self._has_orphan_files, list(self._drafts), self._table.store.concurrency
            )
        ):
            self._move(self._take(max(self.batches.values())))

    def _has_orphan_files(self, name: str) -> bool:
        draft = self._drafts[name]
        known = {file.path for file in draft.files}
        directory = self._table.layout.batch_dir(name, draft.batch_id)
        return any(
            info.path.rpartition("/")[2] not in known for info in self._table.store.list(directory)
        )

    def take_over(self, name: str, location: str, files: Sequence[FoundFile]) -> None:
        """Make existing files the content of a claimed batch.

        Args:
            name: The partition's name.
            location: The directory that they lie in, as a URI.
            files: The files, in the order in which they are to be read.
        """
        draft = self._drafts[name]
        draft.location, draft.files, draft.encoded = location, [], []
        self.register(name, files)

    def copy_in(self, name: str, directory: str, files: Sequence[FoundFile]) -> None:
        """Copy files within the object store into a claimed batch's directory.

        Args:
            name: The partition's name.
            directory: The files' directory in the table's storage.
            files: The files, in the order in which they are to be read.
        """
        store, target = (
            self._table.store,
            self._table.layout.batch_dir(name, self._drafts[name].batch_id),
        )

        def copied(found: FoundFile) -> FoundFile:
            etag = store.copy(f"{directory}/{found.file.path}", f"{target}/{found.file.path}")
            return replace(found, file=replace(found.file, etag=etag))

        self.register(name, map_concurrently(copied, files))

    def drafts(self) -> list[Manifest]:
        """Return the manifests of the batches as they would be sealed now."""
        schema, fit = self._content.schema(), self._content.fit()
        return [
            self._manifest(name, draft, schema=schema, fit=fit, staged=True, checks=())
            for name, draft in self._drafts.items()
        ]

    def add_results(self, results: Mapping[str, tuple[CheckResult, ...]]) -> None:
        """Add what checks of single batches found, by partition, to their manifests."""
        for name, found in results.items():
            self._drafts[name].results += found

    def seal(self, *, staged: bool, checks: tuple[CheckResult, ...] = ()) -> list[Manifest]:
        """Complete the batches by writing their manifests.

        Args:
            staged: Whether they wait to be published by another call.
            checks: What the checks found.

        Returns:
            The manifests, in the order of the partitions.

        Raises:
            BatchNotFound: Writing took so long that an erasure has given one of them up.
        """
        refuse_expired_writes(self._table, self.batches.items())  # all files are there, and known
        self._align()
        schema, fit = self._content.schema(), self._content.fit()
        manifests = [
            self._manifest(name, draft, schema=schema, fit=fit, staged=staged, checks=checks)
            for name, draft in self._drafts.items()
        ]
        self._put_manifest(manifests)
        return manifests

    def rebase(self, manifests: Sequence[Manifest], heads: Mapping[str, Head]) -> list[Manifest]:
        """Give complete batches a greater ID if another writer has used greater ones.

        Args:
            manifests: The manifests, as sealed.
            heads: The heads of their partitions now, and maybe of others.

        Returns:
            The manifests, or new ones, sealed. The files are linked or copied within the storage;
            the old ones stay.

        Raises:
            BatchNotFound: They have expired meanwhile.
        """
        mine = {one.partition: heads[one.partition] for one in manifests}
        if all(mine[one.partition].newest < one.batch_id for one in manifests):
            return list(manifests)
        newest = {name: head.newest for name, head in mine.items()}
        refuse_expired_writes(self._table, self.batches.items(), newest)
        self.heads.update(mine)
        self._move(self._take(max(newest.values())))
        moved = [
            replace(
                manifest,
                batch_id=self._drafts[manifest.partition].batch_id,
                replaced=mine[manifest.partition].batch_id,
                location=self._drafts[manifest.partition].location,
                files=tuple(self._drafts[manifest.partition].files),
            )
            for manifest in manifests
        ]
        self._put_manifest(moved)
        return moved

    def _align(self) -> None:
        """Give batches whose partitions came one by one the same ID, the greatest of theirs."""
        self._move(max(self.batches.values()))

    def _move(self, batch_id: str) -> None:
        """Give all batches an ID that this call has claimed."""
        old = {name: one for name, one in self.batches.items() if one != batch_id}
        layout, store = self._table.layout, self._table.store
        sources = {name: self._own_directory(name, one) for name, one in old.items()}

        def move(item: tuple[str, DataFile]) -> DataFile:
            name, file = item
            source, target = sources[name], layout.batch_dir(name, batch_id)
            if source is None:
                return file  # it is not in the batch's own directory, and stays
            return replace(file, etag=store.copy(f"{source}/{file.path}", f"{target}/{file.path}"))

        work = [(name, file) for name in old for file in self._drafts[name].files]
        moved = iter(map_concurrently(move, work))
        for name in old:
            draft = self._drafts[name]
            draft.batch_id, draft.files = batch_id, [next(moved) for _ in draft.files]
            if sources[name] is not None:
                draft.location = ""

    def _own_directory(self, name: str, batch_id: str) -> str | None:
        """Return the path of a batch's own directory, or None if its files lie elsewhere.

        Files that another program writes for a batch lie below it and move with the batch. The
        directory that they leave holds orphan files, which expire after a day.
        """
        directory, own = (
            self._table.layout.batch_dir(name, batch_id),
            self._table.batch_location(name, batch_id),
        )
        place = self._drafts[name].location
        return (
            directory + place.removeprefix(own)
            if self._table.keeps(name, batch_id, place)
            else None
        )

    def _take(self, newest: str) -> str:
        """Claim a batch ID of the table that is greater than another one, and return it."""
        store, layout = self._table.store, self._table.layout
        batch_id = next_batch_id(datetime.now(UTC), newest or None)
        while not store.claim(layout.call(batch_id), self._token):
            # Many others may have claimed the seconds after this one.
            taken = {batch_id, *store.directories_after(layout.batches, batch_id)}
            while batch_id in taken:
                batch_id = next_batch_id(datetime.now(UTC), batch_id)
        return batch_id

    def _put(self, name: str, number: int, encoded: EncodedFile, *, synced: bool) -> DataFile:
        path = f"part-{number:05d}.parquet"
        directory = self._table.layout.batch_dir(name, self._drafts[name].batch_id)

        def put() -> str:
            return self._table.store.put(f"{directory}/{path}", encoded.content, synced=synced)

        def digest() -> str:
            return hashlib.sha256(encoded.content).hexdigest()

        sha256, etag = (
            run_both(digest, put) if encoded.content.nbytes > _LARGE_FILE else (digest(), put())
        )
        return DataFile(path, encoded.content.nbytes, encoded.rows, sha256, etag)

    def _manifest(
        self,
        name: str,
        draft: _Draft,
        *,
        schema: str,
        fit: TableFit,
        staged: bool,
        checks: tuple[CheckResult, ...],
    ) -> Manifest:
        from airflow_sfx.frames.parquet.statistics import merge_statistics

        return Manifest(
            ref=self._table.ref,
            partition=name,
            keys=self._table.info.keys,
            batch_id=draft.batch_id,
            schema=schema,
            columns=self._content.columns,
            files=tuple(draft.files),
            created_at=datetime.now(UTC),
            statistics=merge_statistics(draft.encoded, self._content.columns),
            producer=self._content.producer,
            inputs=self._content.inputs,
            replaced=self.heads[name].batch_id,
            location=draft.location,
            staged=staged,
            checks=checks + draft.results,
            fit=fit,
        )

    def _put_manifest(self, manifests: Sequence[Manifest]) -> None:
        """Write the manifest of the batches, once all of their files are durable."""
        first, store = manifests[0], self._table.store
        path, data = self._table.layout.manifest(first.batch_id), manifests_to_bytes(manifests)
        written = (
            store.put_all_if_absent([(path, data)])[0]
            if len(manifests) >= MANY
            else store.put_if_absent(path, data)
        )
        if not written:
            raise InconsistentBatch(
                f"{self._table.ref} has a manifest of the batch {first.batch_id} already, which no"
                " other writer may have written: store again",
                table=str(self._table.ref),
                partition=first.partition,
                batch_id=first.batch_id,
            )
