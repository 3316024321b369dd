"""A storage and a metastore of dictionaries, in which each request is a step of the explorer.

One metastore is the weakest that the package works on: it looks and moves in two steps, as Glue
does, or a Hive Metastore without locks. The other has locks that may end at any moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from airflow_sfx.core.errors import TableNotFound, WarehouseUnavailable
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.paths import CLAIM
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import (
    Metastore,
    Move,
    PartitionInfo,
    TableInfo,
    UnsupportedPartition,
    is_at,
    refuse_other_table,
    refuse_taken,
)
from airflow_sfx.metastore.table_properties import follows
from airflow_sfx.storage.base import ObjectInfo, ObjectStore
from tests.protocol.explorer import DELAY, FAIL, LOSE

T = TypeVar("T")
Pointers = dict[Partition, PartitionInfo]


class World:
    """The state that outlives all processes: objects and metastore."""

    def __init__(
        self,
        objects: Mapping[str, bytes] = MappingProxyType({}),
        tables: Mapping[TableRef, tuple[TableInfo, Pointers]] = MappingProxyType({}),
        *,
        tables_step: bool = False,
    ) -> None:
        self.objects = dict(objects)
        self.tables = {ref: (info, dict(pointers)) for ref, (info, pointers) in tables.items()}
        self.tables_step = tables_step
        """Whether a look at a table, or its change, is a step of the explorer."""
        self.began: dict[str, bytes] = {}
        """The objects that were there before anybody acted."""
        self.lock: object = None
        """Who holds the metastore's lock."""
        self.step: Callable[..., str] = lambda **_: ""
        self.delay: Callable[[Callable[[], object]], None] = lambda effect: None

    @property
    def pointers(self) -> Pointers:
        """The pointers of the only table."""
        ((_, pointers),) = self.tables.values()
        return pointers

    def read(self, action: Callable[[], T]) -> T:
        """Do what changes nothing, as a step that may fail."""
        if self.step(fates=(FAIL,)):
            raise WarehouseUnavailable("the request failed")
        return action()

    def write(self, action: Callable[[], T], *, may_be_late: bool = True) -> T:
        """Do what changes the world, as a step that may fail with any outcome."""
        fate = self.step(fates=(FAIL, LOSE, DELAY) if may_be_late else (FAIL, LOSE))
        if fate == DELAY:
            self.delay(action)
        if fate in (FAIL, DELAY):
            raise WarehouseUnavailable("the request got no answer")
        done = action()
        if fate == LOSE:
            raise WarehouseUnavailable("the request got no answer")
        return done

    def copy(self) -> World:
        made = World(self.objects, self.tables, tables_step=self.tables_step)
        made.began = self.objects
        return made


class DictStore(ObjectStore):
    """A `ObjectStore` of a world's objects."""

    uri = "memory://"

    def __init__(self, world: World) -> None:
        self._world = world

    def put(self, path: str, data: bytes | memoryview, *, synced: bool = True) -> str:
        # No step: a file is not read before the manifest that names it.
        self._world.objects[path] = bytes(data)
        return "etag"

    def put_if_absent(self, path: str, data: bytes) -> bool:
        return self._world.write(lambda: self._world.objects.setdefault(path, data) == data)

    def put_all_if_absent(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        return [self.put_if_absent(*one) for one in objects]

    def claim(self, directory: str, token: str) -> bool:
        return self.put_if_absent(f"{directory}/{CLAIM}", token.encode())

    def get(self, path: str) -> bytes | None:
        return self._world.read(lambda: self._world.objects.get(path))

    def view_part(self, path: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        data = self.get(path)
        return None if data is None else (memoryview(data)[start:stop], len(data))

    def head(self, path: str) -> ObjectInfo | None:
        data = self._world.read(lambda: self._world.objects.get(path))
        return None if data is None else ObjectInfo(path, len(data), "etag")

    def copy(self, source: str, target: str) -> str:
        if self._world.read(lambda: source not in self._world.objects):
            raise WarehouseUnavailable(f"there is no {source}")
        self._world.objects[target] = self._world.objects[source]
        return "etag"

    def delete(self, paths: Sequence[str]) -> None:
        for path in paths:
            self._world.write(partial(self._world.objects.pop, path, None))

    def list(self, directory: str, *, unfinished: bool = False) -> Iterator[ObjectInfo]:
        for path, data in self._world.read(lambda: sorted(self._world.objects.items())):
            if path.startswith(f"{directory}/"):
                yield ObjectInfo(path, len(data), "etag")

    def list_directories(self, directory: str) -> Sequence[str]:
        below = f"{directory}/"
        steps = [
            path.removeprefix(below).split("/")
            for path in self._world.objects
            if path.startswith(below)
        ]
        return sorted({step[0] for step in steps if len(step) > 1})

    def names_after(self, directory: str, name: str) -> Sequence[str]:
        below = f"{directory}/"
        paths = self._world.read(lambda: list(self._world.objects))
        names = [path.removeprefix(below) for path in paths if path.startswith(below)]
        return sorted(one for one in names if one > name)

    def opener(self) -> Callable[[], ObjectStore]:
        return lambda: self


class TwoStepMetastore(Metastore):
    """A `Metastore` whose moves are a read and a later write."""

    can_rename = True

    def __init__(self, world: World) -> None:
        self._world = world

    def databases(self) -> list[str]:
        return sorted({ref.database for ref in self._world.tables})

    def tables(self, database: str) -> list[str]:
        return sorted(ref.table for ref in self._world.tables if ref.database == database)

    def get_table(self, ref: TableRef) -> TableInfo | None:
        self._step()
        found = self._world.tables.get(ref)
        return found[0] if found else None

    def create_table(self, info: TableInfo) -> TableInfo:
        self._step()
        return self._world.tables.setdefault(info.ref, (info, {}))[0]

    def update_table(self, ref: TableRef, change: Callable[[TableInfo], TableInfo]) -> TableInfo:
        self._step()
        info, pointers = self._existing(ref)
        changed = change(info)
        self._world.tables[ref] = changed, pointers
        return changed

    def drop_table(self, ref: TableRef, *, at: str | None = None) -> bool:
        self._step()
        found = self._world.tables.get(ref)
        if found is None or not is_at(found[0], at):
            return False
        del self._world.tables[ref]
        return True

    def rename_table(
        self, ref: TableRef, to: TableRef, change: Callable[[TableInfo], TableInfo]
    ) -> TableInfo:
        self._step()
        info, pointers = self._existing(ref)
        refuse_taken(ref, self._world.tables.get(to))
        renamed = change(info)
        self._world.tables[to] = renamed, pointers
        del self._world.tables[ref]
        return renamed

    def get_partitions(
        self,
        ref: TableRef,
        partitions: Iterable[Partition] | None = None,
        *,
        keys: Sequence[PartitionKey] | None = None,
    ) -> dict[Partition, PartitionInfo]:
        _, pointers = self._world.read(lambda: self._world.tables.get(ref, (None, {})))
        found = dict(pointers)
        return (
            found if partitions is None else {one: found[one] for one in partitions if one in found}
        )

    def list_partitions(self, ref: TableRef) -> list[Partition]:
        return sorted(self.get_partitions(ref), key=lambda one: one.values)

    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        self._move(ref, pointers, at)
        return None

    def _move(self, ref: TableRef, pointers: Sequence[PartitionInfo], at: str | None) -> TableInfo:
        there = self.get_partitions(ref, [pointer.partition for pointer in pointers])

        def move() -> TableInfo:
            info, known = self._existing(ref)
            refuse_other_table(info, at)
            for pointer in pointers:
                with contextlib.suppress(KeyError):
                    if not follows(pointer, there[pointer.partition]):
                        continue
                known[pointer.partition] = pointer
                if pointer.gone:
                    del known[pointer.partition]
            return info

        return self._world.write(move, may_be_late=False)

    def _step(self) -> None:
        if self._world.tables_step:
            self._world.step()

    def _existing(self, ref: TableRef) -> tuple[TableInfo, Pointers]:
        if ref not in self._world.tables:
            raise TableNotFound(f"there is no table {ref}", table=str(ref))
        return self._world.tables[ref]

    def unsupported_partitions(self, ref: TableRef) -> list[UnsupportedPartition]:
        return []


class LockingMetastore(TwoStepMetastore):
    """Moves under a lock with a bounded wait, and reports whether the lock lasted."""

    WAITS = 2

    def repoint(
        self, ref: TableRef, pointers: Sequence[PartitionInfo], *, at: str | None = None
    ) -> TableInfo | None:
        with self._locked(ref, at) as move:
            return move(pointers)

    def moving(
        self, ref: TableRef, partitions: Sequence[Partition], *, at: str | None = None
    ) -> contextlib.AbstractContextManager[Move]:
        """Hold the lock while one partition's change is written, as `HiveMetastore` does."""
        if len(partitions) == 1:
            return self._locked(ref, at)
        return super().moving(ref, partitions, at=at)

    @contextlib.contextmanager
    def _locked(self, ref: TableRef, at: str | None) -> Iterator[Move]:
        mine = object()
        held = self._take(mine)

        def move(pointers: Sequence[PartitionInfo]) -> TableInfo | None:
            seen = self._move(ref, pointers, at)
            self._world.step()
            lasted = self._world.lock is mine
            self._give_back(mine)
            return seen if self.sure(held=held, lasted=lasted) else None

        try:
            yield move
        except Exception:  # who has died gives nothing back
            self._give_back(mine)
            raise
        self._give_back(mine)

    def _give_back(self, mine: object) -> None:
        if self._world.lock is mine:
            self._world.lock = None

    def expire(self) -> None:
        """Let the lock expire, as a step of its own."""
        self._world.step()
        self._world.lock = None

    @staticmethod
    def sure(*, held: bool, lasted: bool) -> bool:
        """Return whether no one can have changed the table since it was read.

        `HiveMetastore` decides it in the same way.
        """
        return lasted

    def _take(self, mine: object) -> bool:
        for _ in range(self.WAITS):
            self._world.step(waits=self._world.lock is not None)
            if self._world.lock is None:
                self._world.lock = mine
                return True
        return False
