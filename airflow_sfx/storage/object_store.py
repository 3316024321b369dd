"""Storage over obstore: one code for S3 and memory. Files of this machine are in `airflow_sfx.storage.local`."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.timeouts import TRY_SECONDS, Timeouts, timeouts
from airflow_sfx.core.paths import CLAIM
from airflow_sfx.storage.base import ObjectInfo, ObjectStore
from airflow_sfx.storage.concurrency import first_alone, map_concurrently
from airflow_sfx.storage.errors import storage_errors

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ObjectStore as ObstoreStore

    from airflow_sfx.storage.s3 import S3Access

T = TypeVar("T")

_CONFLICTS = 8
_MUCH = 1 << 20
_VISIBLE_WITHIN_SECONDS = 5.0
_first_user: int | None = None


def _refuse_after_fork(where: str) -> None:
    """The threads of obstore are gone in a forked child, where a request would wait for ever."""
    global _first_user  # noqa: PLW0603  the process's own state, as its threads are
    if _first_user is None:
        _first_user = os.getpid()
    elif _first_user != os.getpid():
        raise WarehouseUnavailable(
            f"{where} cannot be used here: this process was forked from one that had used object"
            ' storage already. Start it with multiprocessing.get_context("spawn") or "forkserver",'
            " or use the storage in the child only"
        )


class RemoteStore:
    """A `ObjectStore` over any obstore store that has a conditional create.

    Args:
        backend: The obstore store, rooted where paths begin.
        uri: The root as a URI without secrets.
        access: How it is reached, where it is S3.
        opened: Opens the same with other time limits, the last for sending much; None where nothing
            is waited for.

    Example:
        >>> from obstore.store import MemoryStore
        >>> store = RemoteStore(MemoryStore(), "memory:///")
        >>> store.put_if_absent("a", b"1"), store.put_if_absent("a", b"2"), store.get("a")
        (True, False, b'1')
    """

    def __init__(
        self,
        backend: ObstoreStore,
        uri: str,
        access: S3Access | None = None,
        opened: Callable[[Timeouts, bool], ObstoreStore] | None = None,
    ) -> None:
        self._access = access
        self._backend = backend
        self._opened = opened
        self._uri = uri.removesuffix("/")

    @property
    def uri(self) -> str:
        """The root as a URI without secrets."""
        return self._uri

    @property
    def concurrency(self) -> int:
        """Reads are round trips: several at once."""
        return 16

    @property
    def timeouts(self) -> float:
        """S3 shows an object once it is written; a replica or a cache before another server may need a moment."""
        return _VISIBLE_WITHIN_SECONDS if self._access else 0.0

    def put(self, path: str, data: bytes | memoryview, *, synced: bool = True) -> str:
        """Write an object below a directory that the caller has claimed, durably in any case; returns its ETag."""
        import obstore

        result = self._call(
            "write", path, lambda: obstore.put(self._limited(memoryview(data).nbytes), path, data)
        )
        return result["e_tag"] or ""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write an object unless there is one; see `ObjectStore.put_if_absent`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def write() -> bool | None:
            try:
                obstore.put(self._limited(), path, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                # The backend repeats a request whose answer was lost, and then meets its own
                # object.
                found = self.get(path)
                return None if found is None else found == data
            return True

        for turn in range(_CONFLICTS):
            outcome = self._call("create", path, write)
            if outcome is not None:
                return outcome
            # S3 answers 409 while another writer's create is under way, and that one has failed.
            time.sleep(random.uniform(0, 0.05 * 2**turn))  # noqa: S311
        raise WarehouseUnavailable(
            f"cannot create {self._uri}/{path}: the storage says that it exists, and has nothing to"
            " read there; try again"
        )

    def put_all_if_absent(
        self, objects: Sequence[tuple[str, bytes]], *, led: bool = False, synced: bool = True
    ) -> list[bool]:
        """Write objects where there are none, several at a time; see `ObjectStore.put_all_if_absent`."""

        def put(some: Sequence[tuple[str, bytes]]) -> list[bool]:
            return map_concurrently(lambda item: self.put_if_absent(*item), some, self.concurrency)

        return first_alone(objects, put) if led else put(objects)

    def claim(self, directory: str, token: str, *, synced: bool = True) -> bool:
        """Take a directory by a conditional create of a marker object in it."""
        return self.put_if_absent(f"{directory}/{CLAIM}", token.encode())

    def get(self, path: str) -> bytes | None:
        """Read an object whole; None if there is none."""
        data = self.view(path)
        return None if data is None else bytes(data)

    def view(self, path: str) -> memoryview | None:
        """Read an object whole, into memory that is not copied again; None if there is none."""
        import obstore

        return self._found(
            "read", path, lambda: _read(lambda: obstore.get(self._limited(), path))[0]
        )

    def view_part(self, path: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        """Some of an object's bytes, and how many it has; see `ObjectStore.view_part`."""
        import obstore
        from obstore.exceptions import BaseError

        def look() -> tuple[memoryview, int]:
            try:
                return _read(
                    lambda: obstore.get(self._limited(), path, options={"range": (start, stop)})
                )
            except BaseError as error:
                if "range" not in str(error).lower():
                    raise
                size = obstore.head(self._limited(), path)["size"]
                if size > start:
                    raise
                return memoryview(b""), size  # a part behind the end, which is an error here

        return self._found("read", path, look)

    def head(self, path: str) -> ObjectInfo | None:
        """Size and ETag of an object; None if there is none."""
        import obstore

        meta = self._found("look at", path, lambda: obstore.head(self._limited(), path))
        return (
            ObjectInfo(path, meta["size"], meta["e_tag"] or "", meta["last_modified"])
            if meta
            else None
        )

    def copy(self, source: str, target: str) -> str:
        """Copy an object within the store; returns the copy's ETag."""
        import obstore

        self._call("copy", source, lambda: obstore.copy(self._limited(), source, target))
        info = self.head(target)
        return info.etag if info else ""

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; see `ObjectStore.delete`."""
        import obstore
        from obstore.exceptions import NotFoundError

        def remove(path: str) -> None:
            with suppress(NotFoundError):
                obstore.delete(self._limited(), path)

        map_concurrently(
            lambda path: self._call("delete", path, partial(remove, path)), paths, self.concurrency
        )

    def unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Uploads in parts that nobody finished; see `ObjectStore.unfinished`."""
        return self._unfinished(directory, before, mine, delete=False)

    def delete_unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """End such uploads, whose parts are deleted; see `ObjectStore.delete_unfinished`."""
        return self._unfinished(directory, before, mine, delete=True)

    def _unfinished(
        self,
        directory: str,
        before: datetime | None,
        mine: Callable[[str], bool] | None,
        *,
        delete: bool,
    ) -> Sequence[str]:
        from airflow_sfx.storage.multipart import Uploads

        if self._access is None:
            return ()
        bucket, _, root = self._uri.removeprefix("s3://").partition("/")
        base = f"{root}/" if root else ""
        uploads = Uploads(bucket, self._access)
        found = uploads.below(f"{base}{directory}/" if directory else base)
        due = {
            one: one.key.removeprefix(base) for one in found if before is None or one.begun < before
        }
        due = {one: path for one, path in due.items() if mine is None or mine(path)}
        if delete:
            map_concurrently(uploads.abort, list(due), self.concurrency)
        return sorted(set(due.values()))

    def list(self, directory: str, *, unfinished: bool = False) -> Iterator[ObjectInfo]:
        """All objects below a directory, at any depth; each is whole."""
        import obstore

        stream = iter(obstore.list(self._limited(), directory or None, chunk_size=1000))
        while (chunk := self._call("list", directory, lambda: next(stream, None))) is not None:
            for meta in chunk:
                yield ObjectInfo(
                    meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"]
                )

    def list_directories(self, directory: str) -> Sequence[str]:
        """The names of the directories directly below a directory, sorted."""
        import obstore

        found = self._call(
            "list",
            directory,
            lambda: obstore.list_with_delimiter(self._limited(), directory or None),
        )
        return sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"])

    def place(self, location: str) -> tuple[ObjectStore, str]:
        """A directory outside of this root, with this storage's credentials; see `ObjectStore.place`."""
        from airflow_sfx.storage.factory import open_place

        return open_place(location, self._access)

    def opener(self) -> Callable[[], ObjectStore]:
        """Opens the same root in another process, with the credentials of that process's own environment."""
        from airflow_sfx.storage.factory import open_store

        return partial(
            open_store,
            self._uri,
            replace(self._access, session=None, config=None) if self._access else None,
        )

    def local_path(self, path: str) -> str | None:
        """None: the objects are not files."""
        return None

    def _limited(self, sent: int = 0) -> ObstoreStore:
        """The backend with the time limits that hold here, and for so many bytes that are sent."""
        limits = timeouts()
        if self._opened is not None and limits.total < TRY_SECONDS:
            return self._opened(limits, False)
        return (
            self._backend
            if self._opened is None or sent < _MUCH
            else self._opened(Timeouts(), True)
        )

    def _found(self, verb: str, path: str, action: Callable[[], T]) -> T | None:
        from obstore.exceptions import NotFoundError

        def attempt() -> T | None:
            try:
                return action()
            except (NotFoundError, FileNotFoundError):
                return None

        return self._call(verb, path, attempt)

    def _call(self, verb: str, path: str, action: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError

        _refuse_after_fork(f"{self._uri}/{path}")

        return storage_errors((BaseError, OSError), verb, f"{self._uri}/{path}", action)


def _read(ask: Callable[[], GetResult]) -> tuple[memoryview, int]:
    """What an object holds, or a part of it, and its size: obstore does not repeat an answer that breaks off in the middle."""
    from obstore.exceptions import BaseError

    give_up = time.monotonic() + timeouts().total
    while True:
        found = ask()
        try:
            return memoryview(found.bytes()), found.meta["size"]
        except BaseError:
            if time.monotonic() > give_up:
                raise
        time.sleep(random.uniform(0, 0.5))  # noqa: S311
