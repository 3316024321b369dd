"""The target of a store: the table, created or changed to fit the frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName, SchemaMismatch, counted
from airflow_sfx.core.partition import (
    INTEGER_TYPES,
    Partition,
    PartitionKey,
    partition_keys,
    partition_list,
    partitions_of,
)
from airflow_sfx.core.paths import PartitionStyle, TableLayout
from airflow_sfx.core.schema import Column, Evolve
from airflow_sfx.core.table import TableRef, refuse_hyphen
from airflow_sfx.metastore.base import Metastore, TableInfo, refuse_other_table
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.batch.new_table import UsedName, end_late_batches, record_use, used_name
from airflow_sfx.warehouse.log.table_columns import UNHELD, with_columns
from airflow_sfx.warehouse.table.table import (
    CHECKS_PARAMETER,
    STYLE_PARAMETER,
    Table,
    adopted_from,
    key_kind_parameters,
    key_kinds_in,
)

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Target:
    """A table that is about to be written.

    Args:
        ref: The table.
        store: The object store.
        metastore: The metastore.
        style: The names of a new table's partition directories.
        existing: The table in the metastore, or None for a new table.
        adopted: Whether another engine made the table, so that ``existing`` is its new state.
        places: Directories outside of the table's own, as URIs, whose files become batches.
        used: Where a new table goes if another one had its name before, or None.
    """

    ref: TableRef
    store: ObjectStore
    metastore: Metastore
    style: PartitionStyle
    existing: TableInfo | None
    adopted: bool = False
    places: tuple[str, ...] = ()
    used: UsedName | None = None

    @classmethod
    def of(
        cls, ref: TableRef, store: ObjectStore, metastore: Metastore, style: PartitionStyle
    ) -> Target:
        """Look up the table in the metastore."""
        existing = metastore.get_table(ref)
        used = used_name(store, metastore, ref) if existing is None else None
        if used is not None and (existing := metastore.get_table(ref)) is not None:
            used = None  # created while its records were read
        return cls(ref, store, metastore, used.style(style) if used else style, existing, used=used)

    def keys(
        self, named: Sequence[str] | Mapping[str, str] | None, found: Sequence[PartitionKey]
    ) -> tuple[PartitionKey, ...]:
        """Return the table's partition keys.

        Args:
            named: The ``partition_keys=`` of the call.
            found: The keys that the call implies.

        Returns:
            Those of the table; for a new one, those that the call implies.

        Raises:
            InvalidName: The table has other keys, or a new one would have a name that is for what
                is there.
        """
        if self.existing is None:
            self._refuse_new_hyphens(found)
            if self.used is not None:
                self.used.refuse_other_keys(self.ref, found)
            return tuple(found)
        have = [key.name for key in self.existing.keys]
        if named is not None or len(found) != len(have):
            wanted = (
                [str(name).lower() for name in named]
                if named is not None
                else [key.name for key in found]
            )
            if wanted != have:
                raise InvalidName(
                    f"{self.ref} has {_listed('the partition key', have)} and this call"
                    f" {_listed('the key', wanted)}: pass"
                    f" {counted(len(have), 'partition value')}"
                    if have
                    else (
                        f"{self.ref} is not partitioned and this call has"
                        f" {_listed('the key', wanted)}: leave it out"
                    )
                )
        return self.existing.keys

    def _refuse_new_hyphens(self, keys: Sequence[PartitionKey]) -> None:
        refuse_hyphen(self.ref.table, "table")
        for key in keys:
            refuse_hyphen(key.name, "partition key")
        if "-" in self.ref.database and self.ref.database not in self.metastore.databases():
            refuse_hyphen(self.ref.database, "database")

    def partition(
        self, values: Sequence[object] | None, named: Sequence[str] | Mapping[str, str] | None
    ) -> tuple[tuple[PartitionKey, ...], Partition]:
        """Return the table's keys and the one partition that ``partitions=`` names.

        Args:
            values: The argument, or None for a table without partitions.
            named: The ``partition_keys=`` of the call.

        Returns:
            The table's keys, and the partition.

        Raises:
            InvalidName: A value breaks a rule, or several partitions are named.
        """
        if values is None:
            keys = self.keys(named, partition_keys(named, 0) if named else ())
            if keys:
                raise InvalidName(
                    f"{self.ref} is partitioned by {', '.join(key.name for key in keys)}: pass"
                    " partitions= with one value a key, or partition_by= with the frame's columns"
                )
            return keys, Partition()
        given = partition_list(values)
        flat = given[0] if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
        count = len(flat)
        (partition,) = partitions_of([flat], count, table=str(self.ref))
        keys = self.keys(named, self._found(named, count))
        self.refuse_bare_values()
        for key, value in zip(keys, partition.values, strict=True):
            key.check(value)
        return keys, partition

    def refuse_bare_values(self) -> None:
        """Raise an error for a partition without a key column if a key has its own kind.

        Raises:
            InvalidName: A key has a kind that its Hive type does not express.
        """
        kinds = key_kinds_in(self.existing.parameters) if self.existing else {}
        if kinds:
            name, kind = next(iter(kinds.items()))
            raise InvalidName(
                f"the partition key {name!r} of {self.ref} holds {kind}, which a value alone does"
                " not: pass a frame with such a column, and partition_by= with the table's keys"
            )

    def keys_of_columns(
        self,
        by: Sequence[str],
        named: Sequence[str] | Mapping[str, str] | None,
        schema: pa.Schema | None,
        days: Collection[str] = (),
    ) -> tuple[tuple[PartitionKey, ...], Mapping[str, str]]:
        """Return the table's keys if ``partition_by=`` names columns of the frame.

        Args:
            by: The columns.
            named: The ``partition_keys=`` of the call.
            schema: The frame's schema; None of a frame without rows, of whose columns nothing is
                written.
            days: The columns whose times are all midnight: in a new table, their keys are dates.

        Returns:
            The keys, and by name what they are that their Hive types do not say.

        Raises:
            InvalidName: The table has other keys.
            SchemaMismatch: A column is of another type than the table's key.
        """
        from airflow_sfx.frames.schema.partition_values import kinds_of_keys
        from airflow_sfx.frames.types.hive import key_type_of

        if self.existing is not None or isinstance(named, Mapping):
            days = ()  # the keys have their types
        columns = tuple(
            PartitionKey(
                name,
                "string"
                if schema is None
                else "date"
                if name in days
                else key_type_of(schema.field(name).type),
            )
            for name in by
        )
        if named is None:
            keys = self.keys(None, self._same_names(columns))
        else:
            given = partition_keys(named, len(by))
            if [key.name for key in given] != [key.name for key in columns]:
                raise InvalidName(
                    f"partition_keys={list(named)!r} and partition_by={list(by)!r} differ: pass one"
                    " of them"
                )
            keys = self.keys(named, given if isinstance(named, Mapping) else columns)
        if schema is None:
            return keys, {}
        mine = kinds_of_keys(schema, by)
        have = self._key_kinds(mine)
        for key, column in zip(keys, columns, strict=True):
            self._refuse_other_type(key, column, have.get(key.name), mine.get(key.name))
        return keys, have

    def _key_kinds(self, mine: Mapping[str, str]) -> Mapping[str, str]:
        """Return the kinds of the table's keys that their Hive types do not express.

        A new or empty table gets those of the frame. A table of a version that did not record them
        gets those of its batches.
        """
        if self.existing is None or self.adopted:
            return mine
        have = key_kinds_in(self.existing.parameters)
        if have or not mine:
            return have
        from airflow_sfx.warehouse.log.restore import key_kinds_in_batches

        return key_kinds_in_batches(Table.of(self.existing, self.store, self.metastore))

    def _same_names(self, found: tuple[PartitionKey, ...]) -> tuple[PartitionKey, ...]:
        have = (
            [key.name for key in self.existing.keys]
            if self.existing
            else [key.name for key in found]
        )
        if have != [key.name for key in found]:
            raise InvalidName(
                f"{self.ref} is partitioned by {have or 'nothing'} and partition_by= names"
                f" {[key.name for key in found]}: name the table's keys, in their order"
            )
        return found

    def _refuse_other_type(
        self, key: PartitionKey, column: PartitionKey, have: str | None, mine: str | None
    ) -> None:
        """Raise an error for a column whose values or kind the table's key would change."""
        alike = column.type == key.type or {key.type, column.type} <= INTEGER_TYPES
        midnights = (key.type, column.type) == ("date", "timestamp")  # each value is checked later
        if have == mine and (alike or midnights):
            return
        if have or (mine and key.type != "string"):
            remedy = "convert the column, or store it in a table of its own"
        else:
            how = "astype(str)" if key.type == "string" else f'types={{"{key.name}": "{key.type}"}}'
            remedy = f"convert the column, as with {how}"
            if key.type == "string" and column.type in INTEGER_TYPES:
                remedy += ", or read it as text where numbers have lost leading zeros"
        raise SchemaMismatch(
            f"the column {key.name!r} is {mine or column.type} and the partition key of {self.ref}"
            f" is {have or key.type}: {remedy}",
            table=str(self.ref),
        )

    def _found(
        self, named: Sequence[str] | Mapping[str, str] | None, count: int
    ) -> tuple[PartitionKey, ...]:
        if self.existing is not None and named is None:
            if len(self.existing.keys) != count:
                raise InvalidName(
                    f"{self.ref} has {counted(len(self.existing.keys), 'partition key')}"
                    f" ({', '.join(key.name for key in self.existing.keys) or 'none'}) and the call"
                    f" names {counted(count, 'value')}: a store writes one partition, with one"
                    " value a key; use partition_by= for many partitions"
                )
            return self.existing.keys
        return partition_keys(named, count)

    def open(
        self,
        keys: tuple[PartitionKey, ...],
        columns: tuple[Column, ...],
        key_kinds: Mapping[str, str] = MappingProxyType({}),
    ) -> Table:
        """Return the table as it is or will be created, with its paths."""
        if self.existing is None:
            self.store.require_bucket()
        used = self.used or UsedName(f"{self.store.uri}/{TableLayout.default_root(self.ref)}")
        parameters = {**used.parameters, STYLE_PARAMETER: self.style}
        new = TableInfo(self.ref, used.location, columns, keys, parameters)
        info = self.existing or new
        recorded = {**adopted_from(self.places), **key_kind_parameters(key_kinds)}
        known = replace(info, parameters={**info.parameters, **recorded})
        return Table.of(known, self.store, self.metastore)

    def create(self, table: Table) -> TableInfo:
        """Create the table for a batch that is not current, unless it exists.

        Its columns are asked of no frame before a batch becomes current.

        Args:
            table: The table, from `open`.

        Raises:
            InvalidName: Another writer has created the table with other keys or another layout.
        """
        if self.existing is not None:
            return self.existing
        parameters = {**table.info.parameters, UNHELD: "true"}
        return self._created(table, replace(table.info, parameters=parameters))

    def _created(self, table: Table, new: TableInfo) -> TableInfo:
        if self.used is not None and self.used.dropped is not None:
            end_late_batches(table, self.used.dropped)
        info = self.metastore.create_table(new)
        parameters = {name: value for name, value in info.parameters.items() if name != UNHELD}
        if (info.keys, info.location, parameters) != (
            table.info.keys,
            table.info.location,
            table.info.parameters,
        ):
            raise InvalidName(
                f"another writer has just created {self.ref} with the keys"
                f" {[key.name for key in info.keys]}: check it and store again; nothing was"
                " published"
            )
        if self.used is not None:
            record_use(self.store, info)
        return info

    def ensure(self, table: Table, columns: tuple[Column, ...], evolve: Evolve) -> None:
        """Create the table or fit its columns to the frame, merging other changes.

        Args:
            table: The table, from `open`.
            columns: The table's columns after storing the frame.
            evolve: Which changes are allowed.

        Raises:
            InvalidName: Another writer has created the table with other keys or another layout.
            SchemaMismatch: Another writer has changed the columns, and the frame does not fit any
                more.
        """
        info = self.existing or self._created(table, table.info)
        wanted = {name: one for name, one in table.info.parameters.items() if name != UNHELD}
        if info.columns == columns and info.parameters == wanted and not self.adopted:
            return

        # Checks may have been declared anew since the table was read.
        written = {
            name: one for name, one in wanted.items() if not name.startswith(CHECKS_PARAMETER)
        }

        def change(now: TableInfo) -> TableInfo:
            if not self.adopted:
                refuse_other_table(now, info.location)
            base = self.existing.columns if self.existing and not self.adopted else ()
            merged = with_columns(now, base=base, columns=columns, evolve=evolve)
            self._refuse_other_units(columns, merged.columns)
            parameters = {**merged.parameters, **written}
            return replace(merged, location=info.location, parameters=parameters)

        self.metastore.update_table(self.ref, change)

    def _refuse_other_units(self, written: Sequence[Column], merged: Sequence[Column]) -> None:
        units = {column.name.lower(): column.kind.marks.unit for column in merged}
        for column in written:
            unit = column.kind.marks.unit
            if unit and units[column.name.lower()] != unit:
                raise SchemaMismatch(
                    f"another writer has just given {self.ref} the column {column.name!r} with"
                    " another unit of time: store again; nothing was published"
                )


def _listed(what: str, names: Sequence[str]) -> str:
    return f"{what}{'' if len(names) == 1 else 's'} {', '.join(names) or '(none)'}"
