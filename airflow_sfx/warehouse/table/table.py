"""Tables: the metastore's facts about a table together with its objects."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from airflow_sfx.core.errors import (
    ForeignChange,
    InconsistentBatch,
    InvalidName,
    PartitionNotFound,
    TableNotFound,
)
from airflow_sfx.core.io.locations import is_below
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.partition import Partition, other_spellings, partitions_of
from airflow_sfx.core.paths import PartitionStyle, TableLayout
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import MODELS, TableRef
from airflow_sfx.metastore.base import Metastore, PartitionInfo, TableInfo, refuse_other_table
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.table.absent import AbsentMetastore
from airflow_sfx.warehouse.table.manifests import Expected, expect, find_manifests, read_manifests
from airflow_sfx.warehouse.table.names import dropped_record, gone_error, newest_record
from airflow_sfx.warehouse.table.not_found import table_not_found

STYLE_PARAMETER = "sfx.partition_style"
_ADOPTED_FROM = "sfx.adopted_from."
"""Parameters of a table with the directories that it adopted files from, one per directory.

They are in the metastore, because a person who may write the data only must not change them. The
locations in manifests are checked against them.
"""
CHECKS_PARAMETER = "sfx.check"
"""How the parameters of a table begin that hold its declared checks.

A store does not write them: they may have been declared anew since it read the table.
"""
FORMER_NAMES = "sfx.former_names"
"""The parameter of a renamed table with its earlier names, separated by commas."""
_KEY_KIND = "sfx.key."
"""Parameters of a table with the kinds of partition keys that Hive types do not express."""
_DIGITS = 16


def key_kind_parameters(kinds: Mapping[str, str]) -> dict[str, str]:
    """Return a table's parameters for the kinds of its partition keys.

    Args:
        kinds: The kinds by name.

    Example:
        >>> key_kind_parameters({"month": "period[M]"})
        {'sfx.key.month': 'period[M]'}
    """
    return {f"{_KEY_KIND}{name}": kind for name, kind in kinds.items()}


def key_kinds_in(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the kinds of partition keys from a table's parameters.

    Args:
        parameters: The parameters.

    Returns:
        The kinds by name, without ordinary keys.

    Example:
        >>> key_kinds_in({"sfx.key.month": "period[M]", "sfx.partition_style": "value"})
        {'month': 'period[M]'}
    """
    return {
        name.removeprefix(_KEY_KIND): kind
        for name, kind in parameters.items()
        if name.startswith(_KEY_KIND)
    }


def lasting_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that outlive a table: layout, earlier names, adopted directories.

    Example:
        >>> lasting_parameters({"sfx.key.month": "period[M]", "sfx.partition_style": "value"})
        {'sfx.partition_style': 'value'}
    """
    return {
        name: text
        for name, text in parameters.items()
        if name in (STYLE_PARAMETER, FORMER_NAMES) or name.startswith(_ADOPTED_FROM)
    }


def former_names(info: TableInfo) -> frozenset[str]:
    """Return the names that a table had before, which its older batches have in their manifests."""
    return frozenset(filter(None, info.parameters.get(FORMER_NAMES, "").split(",")))


def adopted_from(places: Iterable[str]) -> dict[str, str]:
    """Return a table's parameters that allow reading batches from directories.

    Args:
        places: The directories, as URIs.

    Example:
        >>> adopted_from(["s3://bucket/old"])
        {'sfx.adopted_from.c0261ac6fe88026c': 's3://bucket/old'}
    """
    return {
        f"{_ADOPTED_FROM}{hashlib.sha256(one.encode()).hexdigest()[:_DIGITS]}": one
        for one in places
    }


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a warehouse.

    Args:
        info: The table in the metastore.
        store: The object store.
        metastore: The metastore.
        layout: The paths of the table's objects in the store.
    """

    info: TableInfo
    store: ObjectStore
    metastore: Metastore
    layout: TableLayout
    _expected: Expected = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def find(cls, ref: TableRef, store: ObjectStore, metastore: Metastore) -> Table:
        """Open an existing table.

        Raises:
            TableNotFound: The table does not exist.
            ForeignChange: Another engine made it and it was not adopted, or it belongs to another
                warehouse.
        """
        info = metastore.get_table(ref)
        if info is None:
            raise table_not_found(ref, store, metastore)
        return cls.of(info, store, metastore)

    @classmethod
    def find_ended(cls, ref: TableRef, store: ObjectStore, metastore: Metastore) -> Table:
        """Open an existing or a dropped table, whose history and batches are as they were.

        Raises:
            TableNotFound: There never was such a table, or it was renamed.
            ForeignChange: As for `find`.
        """
        try:
            return cls.find(ref, store, metastore)
        except TableNotFound:
            record = dropped_record(store, metastore, ref)
            if record is None:
                raise
        return cls.of(record.info, store, AbsentMetastore())

    @classmethod
    def of(cls, info: TableInfo, store: ObjectStore, metastore: Metastore) -> Table:
        """Open a table as the metastore describes it."""
        if STYLE_PARAMETER not in info.parameters:
            raise ForeignChange(
                f"the table {info.ref} at {info.location} was made by another engine and has no"
                " history",
                remedy=(
                    f"adopt it first, with adopt({info.ref.database!r}, {info.ref.table!r}) or"
                    f" `sfx adopt {info.ref}`; its files stay where they are"
                ),
                cli_remedy=(
                    f"adopt it first, with `sfx adopt {info.ref}`; its files stay where they are"
                ),
                table=str(info.ref),
            )
        base, location = f"{store.uri}/", info.location
        if not location.startswith(base):
            location = unquote(location)
        if not location.startswith(base):
            raise ForeignChange(
                f"the table {info.ref} lies at {info.location}, outside of the warehouse"
                f" {store.uri}: it is another warehouse's on the same metastore; connect to that"
                " one, whose location= is above the table",
                table=str(info.ref),
            )
        style: PartitionStyle = (
            "hive" if info.parameters.get(STYLE_PARAMETER) == "hive" else "value"
        )
        layout = TableLayout(
            location.removeprefix(base), tuple(key.name for key in info.keys), style
        )
        return cls(info, store, metastore, layout)

    @property
    def is_dropped(self) -> bool:
        """Whether the metastore does not have the table because it was dropped."""
        return isinstance(self.metastore, AbsentMetastore)

    @property
    def is_model(self) -> bool:
        """Whether this is a model, of which a version is the same batch in all aliases."""
        return self.ref.database == MODELS and not self.metastore.for_engines

    @property
    def ref(self) -> TableRef:
        """The table's name."""
        return self.info.ref

    def is_or_was(self, ref: TableRef) -> bool:
        """Return whether this is the table's name, or one that it had before."""
        return ref == self.ref or str(ref) in former_names(self.info)

    @property
    def location(self) -> str:
        """The table's directory as a URI."""
        return f"{self.store.uri}/{self.layout.root}"

    def is_at(self, location: str) -> bool:
        """Return whether a location is the table's directory, also by symbolic links."""
        if location == self.location:
            return True
        paths = [
            one.removeprefix("file://")
            for one in (location, self.location)
            if one.startswith("file://")
        ]
        return len(paths) == 2 and os.path.realpath(paths[0]) == os.path.realpath(paths[1])  # noqa: PLR2004

    def batch_location(self, name: str, batch_id: str | None) -> str:
        """Return a batch's directory as a URI; for no batch, a directory without files."""
        path = self.layout.batch_dir(name, batch_id) if batch_id else self.layout.empty_dir()
        return f"{self.store.uri}/{path}"

    def keeps(self, name: str, batch_id: str, location: str) -> bool:
        """Return whether a batch's files lie in its own directory or below it.

        Args:
            name: The partition's name.
            batch_id: The batch.
            location: The location in its manifest or log, or empty for the batch's directory.
        """
        own = self.batch_location(name, batch_id)
        return location in ("", own) or location.startswith(f"{own}/")

    def may_read(self, location: str) -> bool:
        """Return whether a location lies in the table's directory or an adopted one.

        Args:
            location: The location in a manifest or a log, or empty for the batch's directory.
        """
        if not location or self._is_ours(location, self.info.parameters):
            return True
        # It may have been adopted since this table was opened.
        now = self.metastore.get_table(self.ref)
        return now is not None and self._is_ours(location, now.parameters)

    def _is_ours(self, location: str, parameters: Mapping[str, str]) -> bool:
        adopted = [place for name, place in parameters.items() if name.startswith(_ADOPTED_FROM)]
        return any(is_below(location, root) for root in (self.location, *adopted))

    def outside(self, name: str, batch_id: str | None, location: str) -> InconsistentBatch:
        """Return the error for a location that is neither the table's nor an adopted one."""
        return InconsistentBatch(
            f"the batch {batch_id} of {self.describe(name)} is said to lie at {location}, which is"
            " neither in the table's own directory nor in one that the metastore says was adopted:"
            f" nothing there is read. If it was, run `sfx repair {self.ref} --adopted-from"
            " DIRECTORY`; if not, the batch or the history was altered",
            problems=(f"{location} was not adopted",),
            table=str(self.ref),
            partition=name,
            batch_id=batch_id,
        )

    def update(self, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        """Change the table's columns and parameters in the metastore; see `update_table`.

        Raises:
            TableNotFound: The table was dropped or renamed; its name may be another table's.
        """

        def checked(now: TableInfo) -> TableInfo:
            refuse_other_table(now, self.info.location)
            return change(now)

        try:
            return self.metastore.update_table(self.ref, checked)
        except TableNotFound as error:
            raise self.name_error() from error

    def name_error(self) -> TableNotFound:
        """Return the error for a change of a table that lost its name before anything changed."""
        record = newest_record(self.store, self.metastore, self.ref)
        if record is not None and record.is_gone:
            return gone_error(self.ref, record)
        if self.metastore.get_table(self.ref) is None:
            return table_not_found(self.ref, self.store, self.metastore)
        return TableNotFound(
            f"{self.ref} is another table by now, and the one in {self.location} was dropped or"
            " renamed: nothing was changed; see `sfx tables`",
            table=str(self.ref),
        )

    def wanted(
        self, partitions: Sequence[object] | None, argument: str = "partitions"
    ) -> list[Partition] | None:
        """Return the partitions that a call names, or None for all.

        A table without keys has the one partition ``Partition()``.
        """
        if not self.info.keys:
            if partitions is not None and len(partitions):
                raise InvalidName(
                    f"{self.ref} has no partition keys",
                    remedy=f"leave {argument}= out",
                    cli_remedy="name no partition",
                )
            return [Partition()]
        if partitions is None:
            return None
        found = partitions_of(
            partitions, len(self.info.keys), table=str(self.ref), argument=argument
        )
        for partition in found:
            for key, value in zip(self.info.keys, partition.values, strict=True):
                key.check(value)
        return list(found)

    def pointers(self, partitions: Iterable[Partition] | None) -> dict[str, PartitionInfo]:
        """Return the metastore's pointers by partition name."""
        found = self.metastore.get_partitions(self.ref, partitions, keys=self.info.keys)
        return {self.layout.name(partition): info for partition, info in found.items()}

    def names(self) -> list[str]:
        """Return the names of the metastore's partitions, without their locations."""
        if not self.info.keys:
            return [""]
        return [
            self.layout.name(partition) for partition in self.metastore.list_partitions(self.ref)
        ]

    def pin(self, batches: dict[str, str]) -> BatchPin:
        """Return a pin of batches of this table."""
        return BatchPin.of(self.ref, self.location, batches)

    def expect(self, batches: Collection[tuple[str, str]]) -> None:
        """Start to read manifests that are likely needed next, which saves a round trip."""
        self._expected.update(expect(self, batches))

    def manifest(self, name: str, batch_id: str) -> Manifest:
        """Return a batch's manifest.

        Raises:
            BatchNotFound: The partition does not have the batch.
            InconsistentBatch: The manifest is missing, altered or of another table.
        """
        return read_manifests(self, [(name, batch_id)], self._expected)[0]

    def manifests(self, batches: Mapping[str, str]) -> list[Manifest]:
        """Return the manifests of several partitions' batches, in their order."""
        return read_manifests(self, list(batches.items()), self._expected)

    def sealed(self, batches: Iterable[tuple[str, str]]) -> Collection[tuple[str, str]]:
        """Return those of the batches that have a manifest."""
        return find_manifests(self, batches).keys()

    def require(self, batches: Iterable[tuple[str, str]]) -> None:
        """Raise the errors of `manifest` for batches that have none."""
        read_manifests(self, list(batches), {})

    def describe(self, name: str) -> str:
        """Return a partition's description: ``sales.sold_items partition 20161031``."""
        return f"{self.ref} partition {name}" if name else f"the table {self.ref}"

    def missing(
        self, name: str, what: str = "does not exist or has no current batch"
    ) -> PartitionNotFound:
        """The error for a partition that is not there, with the same day in another spelling."""
        texts = bool(name) and all(key.type == "string" for key in self.info.keys)
        others = other_spellings(self.layout.partition(name)) if texts else []
        meant = next(iter(self.pointers(others)), None) if others else None
        return PartitionNotFound(
            f"{self.describe(name)} {what}",
            remedy=f"did you mean {meant}? `sfx show {self.ref}` lists all partitions"
            if meant
            else f"store it first, or see what there is with `sfx show {self.ref}`",
            table=str(self.ref),
            partition=name,
        )
