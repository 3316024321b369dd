"""The columns of a table, which are those of its current batches.

A batch changes them when it becomes current: those that it adds or widens are stored in the
metastore before its log entry is created, as engines need them to read it. A writer that dies in
between leaves a column that no current batch has. Such a column is asked of no frame: where a frame
does not fit the columns in the metastore, it is compared with those of the current batches.

An undo takes columns while other writers make batches current that have them, and neither waits for
the other. After it took columns, an undo looks for batches that became current meanwhile. After its
pointers moved, a writer looks at the columns, which the metastore returns with the move. The later
one sees what the other did, and gives the columns back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from airflow_sfx.core.errors import SchemaMismatch, SfxError
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.schema import OPEN, Column, Evolve
from airflow_sfx.metastore.base import TableInfo, is_at
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.log.restore import batch_columns
from airflow_sfx.warehouse.table.manifests import readable
from airflow_sfx.warehouse.table.table import Table

UNHELD = "sfx.columns_unheld"
"""The parameter of a table whose columns no current batch has, such as those of a staged one."""

_AT_ONCE = 64
_log = logging.getLogger(__name__)


Arrange = Callable[[TableInfo, TableInfo], TableInfo]
"""Orders the columns of a table that lost some, given the table before and after."""


@dataclass(frozen=True, slots=True)
class HeldColumns:
    """The columns that current batches have.

    Args:
        columns: The columns, in the order in which batches brought them.
        brought: For messages, the batch that brought a column, by name in lower case.
    """

    columns: tuple[Column, ...] = ()
    brought: Mapping[str, str] = field(default_factory=dict)


def demanded_columns(info: TableInfo | None) -> tuple[Column, ...]:
    """Return the columns that a frame is compared with first: those in the metastore."""
    return () if info is None or UNHELD in info.parameters else info.columns


def held_columns(table: Table) -> HeldColumns:
    """Return the columns of all current batches, by reading their manifests.

    Args:
        table: The table.

    Returns:
        The columns. A batch whose manifest is missing has none.
    """
    batches = _current_batches(table)
    return _held(table, [one for one in readable_manifests(table, batches) if one is not None])


def _held(table: Table, manifests: Sequence[Manifest]) -> HeldColumns:
    from airflow_sfx.frames.evolution.evolve import merge_columns

    columns: tuple[Column, ...] = ()
    shapes: set[_Shape] = set()
    known: dict[str, tuple[str, Manifest]] = {}
    for manifest in manifests:
        own = _own_columns(table, manifest)
        shapes |= set(map(_shape, own))
        columns = merge_columns(columns, own, evolve="any", table_name=str(table.ref))
        types = {column.name.lower(): column.type for column in columns}
        for column in own:
            name = column.name.lower()
            kept = known.get(name)
            if kept is None or (kept[0] != types[name] and column.type == types[name]):
                known[name] = column.type, manifest
    # IDs do not always show which batch changed a type last; the table does.
    have = {one.name.lower(): one for one in table.info.columns if _shape(one) in shapes}
    columns = tuple(have.get(one.name.lower(), one) for one in columns)
    brought = {name: _batch(manifest) for name, (_, manifest) in known.items()}
    return HeldColumns(columns, brought)


def _own_columns(table: Table, manifest: Manifest) -> tuple[Column, ...]:
    """Return the columns of a batch, open ones as text if its files have them so."""
    from airflow_sfx.frames.schema.codec import schema_from_text

    columns = batch_columns(manifest)
    if not table.metastore.for_engines or schema_from_text(manifest.schema).open_names:
        return columns
    return tuple(one.plain if OPEN in one.kind.by_path.values() else one for one in columns)


def _batch(manifest: Manifest) -> str:
    of = f" of the partition {manifest.partition}" if manifest.partition else ""
    return f"the batch {manifest.batch_id}{of}"


def with_columns(
    now: TableInfo, *, base: Sequence[Column], columns: Sequence[Column], evolve: Evolve = "safe"
) -> TableInfo:
    """Return a table with other columns, merging changes that other writers made meanwhile.

    Args:
        now: The table in the metastore.
        base: The columns that the writer found there.
        columns: The columns that it decided on, given these.
        evolve: Which changes of columns that others changed are allowed.

    Raises:
        SchemaMismatch: Another writer has given a column a type that does not fit.
    """
    from airflow_sfx.frames.evolution.evolve import merge_columns

    parameters = {name: value for name, value in now.parameters.items() if name != UNHELD}
    if UNHELD in now.parameters:
        return replace(now, columns=tuple(columns), parameters=parameters)
    before = {column.name.lower(): column for column in base}
    others = {
        column.name.lower(): column
        for column in now.columns
        if before.get(column.name.lower()) != column
    }
    mine = {column.name.lower() for column in columns}
    merged: list[Column] = []
    for column in columns:
        changed = others.get(column.name.lower())
        if changed is None:
            merged.append(column)
        else:
            kind: Evolve = "any" if evolve == "any" else "safe"
            merged += merge_columns([changed], [column], evolve=kind, table_name=str(now.ref))
    added = [column for name, column in others.items() if name not in mine]
    return replace(now, columns=(*merged, *added), parameters=parameters)


def cover(table: Table, manifests: Sequence[Manifest], *, strict: bool) -> None:
    """Give the table the columns of batches that are about to become current.

    Args:
        table: The table.
        manifests: The batches.
        strict: Whether to reject a batch whose column has a type that does not fit the table's;
            otherwise the table's type stays, as an undo must not depend on it.

    Raises:
        SchemaMismatch: A batch does not fit the table.
    """
    if not manifests:
        return
    have = table.info.columns
    wanted = _wanted(table, manifests, strict=strict)
    if wanted == have and UNHELD not in table.info.parameters:
        return
    table.update(partial(with_columns, base=have, columns=wanted))


def _wanted(table: Table, manifests: Sequence[Manifest], *, strict: bool) -> tuple[Column, ...]:
    columns = demanded_columns(table.info)
    held: HeldColumns | None = None
    for manifest in _distinct(manifests):
        try:
            columns = _with_batch(table, columns, manifest)
        except SchemaMismatch:
            held = held or held_columns(table)
            columns = _covered(table, held, columns, manifest, strict=strict)
    return columns


def _covered(
    table: Table,
    held: HeldColumns,
    columns: tuple[Column, ...],
    manifest: Manifest,
    *,
    strict: bool,
) -> tuple[Column, ...]:
    """Merge a batch that does not fit the metastore's columns with those of current batches."""
    known = {column.name.lower(): column for column in held.columns}
    current = [known.get(column.name.lower()) for column in columns]
    fitting = tuple(column for column in current if column is not None)
    try:
        return _with_batch(table, fitting, manifest, held)
    except SchemaMismatch:
        if strict:
            raise
    have = {column.name.lower() for column in columns}
    added = (one for one in batch_columns(manifest) if one.name.lower() not in have)
    return (*columns, *added)


def _with_batch(
    table: Table,
    columns: Sequence[Column],
    manifest: Manifest,
    held: HeldColumns | None = None,
) -> tuple[Column, ...]:
    from airflow_sfx.frames.evolution.evolve import MergeNotes, merge_columns

    own = batch_columns(manifest)
    names = {column.name.lower() for column in own}
    absent = tuple(column for column in columns if column.name.lower() not in names)
    evolve: Evolve = "any" if manifest.fit.evolve == "any" else "safe"
    return merge_columns(
        columns,
        own + absent,
        evolve=evolve,
        table_name=str(table.ref),
        notes=MergeNotes(held.brought if held else {}, batch_id=manifest.batch_id),
    )


def _distinct(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return one manifest for each set of columns."""
    return list({(one.schema, one.fit.evolve, str(one.fit)): one for one in manifests}.values())


def is_covered(table: Table, manifest: Manifest) -> bool:
    """Return whether a table has the columns of a batch, in types that hold its values."""
    have = {one.name.lower(): one.type for one in demanded_columns(table.info)}
    own = batch_columns(manifest)
    if all(have.get(one.name.lower()) == one.type for one in own):
        return True
    if any(one.name.lower() not in have for one in own):
        return False
    try:
        merged = _with_batch(table, table.info.columns, manifest)
    except SchemaMismatch:  # an undo did not depend on the type
        return True
    return all(have[one.name.lower()] == one.type for one in merged)


def cover_again(table: Table, manifests: Sequence[Manifest], seen: TableInfo | None) -> None:
    """Give a table the columns of current batches again that an undo took meanwhile.

    The batches are current already, so that a failure is only logged.
    """
    try:
        now = seen or table.metastore.get_table(table.ref)
        if now is None or not is_at(now, table.info.location):
            return  # it was dropped or renamed since
        found = replace(table, info=now)
        lost = [one for one in _distinct(manifests) if not is_covered(found, one)]
        if lost:
            cover(found, lost, strict=False)
    except SfxError as error:
        _log.warning(
            "%s has its new batches, but the metastore lacks columns of them; `sfx repair %s` adds"
            " them: %s",
            table.ref,
            table.ref,
            error,
        )


@dataclass(frozen=True, slots=True)
class GivenColumns:
    """The columns of batches that become current, given to the table `Beside` their commit.

    Args:
        manifests: The batches.
        give: Gives the table their columns, unless they do not fit; called once.
    """

    manifests: Sequence[Manifest]
    give: Callable[[], None]
    _given: list[bool] = field(default_factory=list, init=False)

    def before(self, entries: Sequence[LogEntry]) -> None:
        """Give the columns."""
        if not self._given:
            self.give()
            self._given.append(True)

    def after(self, entries: Sequence[LogEntry], table: Table, seen: TableInfo | None) -> None:
        """Give columns back that an undo took meanwhile."""
        cover_again(table, self.manifests, seen)


class UndoneColumns:
    """The columns of batches that an undo makes current or ends, `Beside` its commit.

    Args:
        table: The table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._read: dict[tuple[str, str], Manifest | None] = {}

    def before(self, entries: Sequence[LogEntry]) -> None:
        """Give the table the columns of the batches that become current again."""
        cover(self._table, self._current_after(entries), strict=False)

    def after(self, entries: Sequence[LogEntry], table: Table, seen: TableInfo | None) -> None:
        """Take the columns that only the undone batches had.

        What fails here is left to the next store.
        """
        cover_again(table, self._current_after(entries), seen)
        try:
            release(table, self._left(entries))
        except SfxError as error:
            _log.warning(
                "%s was changed back, but its columns stay as they are until the next store: %s",
                table.ref,
                error,
            )

    def _current_after(self, entries: Sequence[LogEntry]) -> list[Manifest]:
        return self._manifests([(one.partition, one.batch_id) for one in entries if one.batch_id])

    def _left(self, entries: Sequence[LogEntry]) -> set[_Shape]:
        """Return the columns that the batches before had and those after do not have."""
        before = self._manifests([(one.partition, one.previous) for one in entries if one.previous])
        kept = {one.partition: _shapes(one) for one in self._current_after(entries)}
        left: set[_Shape] = set()
        for one in before:
            left |= _shapes(one) - kept.get(one.partition, set())
        return left

    def _manifests(self, batches: Sequence[tuple[str, str]]) -> list[Manifest]:
        """Return the manifests that exist, each read once."""
        new = [one for one in batches if one not in self._read]
        self._read.update(zip(new, readable_manifests(self._table, new), strict=True))
        return [found for one in batches if (found := self._read[one])]


def release_column(table: Table, name: str, arrange: Arrange | None = None) -> None:
    """Take a column from a table, unless a current batch has it.

    Args:
        table: The table.
        name: The column's name.
        arrange: Orders the columns that stay, or None.
    """
    now = table.metastore.get_table(table.ref)
    columns = now.columns if now is not None else ()
    release(table, {_shape(one) for one in columns if one.name.lower() == name.lower()}, arrange)


def release(table: Table, left: set[_Shape], arrange: Arrange | None = None) -> None:
    """Take columns from a table that only batches had which are not current any more.

    Only if a column of the table is one of these are the manifests of current batches read: the
    newest first, until each such column is found.

    Args:
        table: The table.
        left: The columns that batches had, and their successors do not have.
        arrange: Orders the columns that stay, or None.
    """
    info = table.metastore.get_table(table.ref) if left else None
    if info is None or not is_at(info, table.info.location):
        return
    table = replace(table, info=info)
    due = left & {_shape(column) for column in info.columns}
    batches = _current_batches(table) if due else []
    found = _search(table, due, batches) if due else None
    if not found:
        return
    columns = [found.get(one.name.lower(), one) for one in info.columns]
    kept = tuple(column for column in columns if column is not None)
    if not kept:
        update = _unheld
    elif kept != info.columns:
        update = partial(with_columns, base=info.columns, columns=kept)
    else:
        return
    now = table.update(lambda now: arrange(now, update(now)) if arrange else update(now))
    since = set(_current_batches(table)) - set(batches)
    if since:
        arrived = [one for one in readable_manifests(table, sorted(since)) if one]
        cover_again(table, arrived, now)


def _unheld(now: TableInfo) -> TableInfo:
    return replace(now, parameters={**now.parameters, UNHELD: "true"})


_Shape = tuple[str, str, tuple[tuple[str, str], ...]]


def _shape(column: Column) -> _Shape:
    """Return what a column is, however its name is spelt: name, type and kinds of its parts."""
    return column.name.lower(), column.type, column.kind.parts


def _shapes(manifest: Manifest) -> set[_Shape]:
    return set(map(_shape, batch_columns(manifest)))


def _search(
    table: Table, due: set[_Shape], current: Sequence[tuple[str, str]]
) -> dict[str, Column | None] | None:
    """Return columns as current batches have them, None for those that none has.

    Columns that a batch has as the table has them are left out.
    """
    sought, batches = set(due), current[::-1]
    read: list[Manifest] = []
    for start in range(0, len(batches), _AT_ONCE):
        for manifest in readable_manifests(table, batches[start : start + _AT_ONCE]):
            if manifest is None:
                return None  # nothing is known of its columns
            read.append(manifest)
            sought -= _shapes(manifest)
        if not sought:
            return {}
    held = {one.name.lower(): one for one in _held(table, read[::-1]).columns}
    return {name: held.get(name) for name, *_ in sought}


def _current_batches(table: Table) -> list[tuple[str, str]]:
    """Return the current batches as partition name and batch ID, oldest first."""
    marks = PartitionLog(table).marks().values()
    current = [(mark.name, mark.batch_id) for mark in marks if mark.batch_id]
    return sorted(current, key=lambda item: (item[1], item[0]))


def readable_manifests(table: Table, batches: Sequence[tuple[str, str]]) -> list[Manifest | None]:
    """Return manifests, None for those that do not exist or are damaged."""
    found = readable(table, batches)
    return [found.get(item) for item in batches]
