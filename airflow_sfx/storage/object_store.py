"""Object storage over obstore: what S3 and memory have in common.

Files of this machine are in `airflow_sfx.storage.local`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.forks import ForkAware, register
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.io.timeouts import timeouts
from airflow_sfx.core.paths import CLAIM
from airflow_sfx.storage.base import ObjectInfo, ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.errors import storage_errors

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ObjectStore as ObstoreStore

T = TypeVar("T")

_CONFLICT_SECONDS = 12.0
_NO_BUCKET = "<Code>NoSuchBucket</Code>"
"""Part of the response to a read or a listing; obstore has no type for it."""


class _ObstoreThreads(ForkAware):
    """The threads of obstore, which a forked child of a process with them lacks."""

    def __init__(self) -> None:
        self._used = self._lost = False
        register(self)

    def after_fork_in_child(self) -> None:
        self._lost = self._lost or self._used

    def use(self, where: str) -> None:
        """Raise an error in a child in which a request would wait for ever."""
        if self._lost:
            raise WarehouseUnavailable(
                f"{where} cannot be used: this process was forked from one that had used object"
                ' storage. Start it with multiprocessing.get_context("spawn") or "forkserver", or'
                " use the storage in the child only"
            )
        self._used = True


_THREADS = _ObstoreThreads()


class RemoteStore(ObjectStore):
    """An object store over an obstore store with a conditional create.

    Args:
        backend: The obstore store, rooted where paths begin.
        uri: The root as a URI without secrets.
    """

    concurrency = 16

    def __init__(self, backend: ObstoreStore, uri: str) -> None:
        self._backend = backend
        self._uri = uri.removesuffix("/")

    @property
    def uri(self) -> str:
        """The root as a URI without secrets."""
        return self._uri

    def require_bucket(self) -> None:
        """Read an object, as the response to a read names a missing bucket."""
        self.view_part(CLAIM, 0, 1)

    def _client(self, sent: int = 0) -> ObstoreStore:
        """Return the backend to use for a request that sends so many bytes."""
        return self._backend

    def put(self, path: str, data: bytes | memoryview, *, synced: bool = True) -> str:
        """Write an object; it is always durable on return. See `ObjectStore.put`."""
        import obstore

        result = self._call(
            "write", path, lambda: obstore.put(self._client(memoryview(data).nbytes), path, data)
        )
        return result["e_tag"] or ""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write an object unless one exists; see `ObjectStore.put_if_absent`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def write() -> bool | None:
            try:
                obstore.put(self._client(), path, data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                # The backend repeats a request whose response was lost, and then finds its own
                # object.
                found = self.get(path)
                return None if found is None else found == data
            return True

        # S3 answers 409 while another writer's create is in progress, which may then fail.
        for _ in attempts(_CONFLICT_SECONDS, first=0.05, longest=6.4, least=8):
            outcome = self._call("create", path, write)
            if outcome is not None:
                return outcome
        raise WarehouseUnavailable(
            f"cannot create {self._uri}/{path}: the storage reports that it exists, and then that"
            " it does not. Try again"
        )

    def put_all_if_absent(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Write many objects at once; see `ObjectStore.put_all_if_absent`."""
        return map_concurrently(lambda item: self.put_if_absent(*item), objects, self.concurrency)

    def claim(self, directory: str, token: str) -> bool:
        """Claim a directory by a conditional create of a marker object in it."""
        return self.put_if_absent(f"{directory}/{CLAIM}", token.encode())

    def get(self, path: str) -> bytes | None:
        """Read a whole object; None if it does not exist."""
        data = self.view(path)
        return None if data is None else bytes(data)

    def view(self, path: str) -> memoryview | None:
        """Read a whole object without copying it; None if it does not exist."""
        import obstore

        return self._found(
            "read", path, lambda: _read(lambda: obstore.get(self._client(), path))[0]
        )

    def view_part(self, path: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        """Read a part of an object; see `ObjectStore.view_part`."""
        import obstore
        from obstore.exceptions import BaseError

        def read() -> tuple[memoryview, int]:
            try:
                return _read(
                    lambda: obstore.get(self._client(), path, options={"range": (start, stop)})
                )
            except BaseError as error:
                if "range" not in str(error).lower():  # obstore has no type for it
                    raise
                size = obstore.head(self._client(), path)["size"]
                if size > start:
                    raise
                return memoryview(b""), size

        return self._found("read", path, read)

    def head(self, path: str) -> ObjectInfo | None:
        """Return an object's size and ETag; None if it does not exist."""
        import obstore

        meta = self._found("look at", path, lambda: obstore.head(self._client(), path))
        return (
            ObjectInfo(path, meta["size"], meta["e_tag"] or "", meta["last_modified"])
            if meta
            else None
        )

    def copy(self, source: str, target: str) -> str:
        """Copy an object within the store, and return the copy's ETag."""
        import obstore

        self._call("copy", source, lambda: obstore.copy(self._client(), source, target))
        info = self.head(target)
        return info.etag if info else ""

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; see `ObjectStore.delete`."""
        import obstore
        from obstore.exceptions import NotFoundError

        def remove(path: str) -> None:
            with suppress(NotFoundError):
                obstore.delete(self._client(), path)

        map_concurrently(
            lambda path: self._call("delete", path, partial(remove, path)), paths, self.concurrency
        )

    def list(self, directory: str, *, unfinished: bool = False) -> Iterator[ObjectInfo]:
        """List all objects below a directory, at any depth."""
        return self._listed(directory)

    def _listed(self, directory: str, after: str | None = None) -> Iterator[ObjectInfo]:
        import obstore

        stream = iter(
            obstore.list(self._client(), directory or None, offset=after, chunk_size=1000)
        )
        while (chunk := self._call("list", directory, lambda: next(stream, None))) is not None:
            for meta in chunk:
                yield ObjectInfo(
                    meta["path"], meta["size"], meta["e_tag"] or "", meta["last_modified"]
                )

    def list_siblings(self, directory: str, names: Sequence[str]) -> Sequence[ObjectInfo]:
        """List all objects below some directories of a directory, in as few requests as possible.

        A response has up to 1,000 objects, also of several directories. So few requests list many
        small directories: the names are divided into ranges, which are listed at the same time.
        """
        ranges = _ranges(names, self.concurrency)
        found = map_concurrently(
            lambda at: self._list_range(directory, ranges[at], ranges[at - 1][-1] if at else None),
            range(len(ranges)),
            self.concurrency,
        )
        return [info for some in found for info in some]

    def _list_range(
        self, directory: str, names: Sequence[str], before: str | None
    ) -> Sequence[ObjectInfo]:
        """List the objects below directories that follow one another.

        Args:
            directory: The directory that they are in.
            names: Their names.
            before: The name before the first one, or None.
        """
        start, wanted, found = len(directory) + 1, set(names), []
        last, last_key = max(names), f"{names[-1]}/"
        after = f"{directory}/{before}/~" if before is not None else None
        for info in self._listed(directory, after=after):
            name = info.path[start:].partition("/")[0]
            if name in wanted:
                found.append(info)
            elif name > last and f"{name}/" > last_key:
                break
        return found

    def list_directories(self, directory: str) -> Sequence[str]:
        """Return the names of the directories directly below a directory, sorted."""
        import obstore

        found = self._call(
            "list",
            directory,
            lambda: obstore.list_with_delimiter(self._client(), directory or None),
        )
        return sorted(prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"])

    def directories_after(self, directory: str, name: str) -> Sequence[str]:
        """Return the names of later directories; see `ObjectStore.directories_after`."""
        following = f"{directory}/{name}{chr(ord('/') + 1)}"  # after all keys of the name itself
        start = len(directory) + 1
        found = {info.path[start:].partition("/")[0] for info in self._listed(directory, following)}
        return sorted(found)

    def names_after(self, directory: str, name: str) -> Sequence[str]:
        """Return the names of objects in a directory; see `ObjectStore.names_after`."""
        after = f"{directory}/{name}" if name else None
        return sorted(info.path.rpartition("/")[2] for info in self._listed(directory, after))

    def _found(self, verb: str, path: str, action: Callable[[], T]) -> T | None:
        from obstore.exceptions import NotFoundError

        def attempt() -> T | None:
            try:
                return action()
            except (NotFoundError, FileNotFoundError) as error:
                if _NO_BUCKET in str(error):
                    raise
                return None

        return self._call(verb, path, attempt)

    def _call(self, verb: str, path: str, action: Callable[[], T]) -> T:
        from obstore.exceptions import BaseError

        where = f"{self._uri}/{path}"
        _THREADS.use(where)
        return storage_errors((BaseError, OSError), verb, where, partial(self._in_bucket, action))

    def _in_bucket(self, action: Callable[[], T]) -> T:
        """Run an action, and name a bucket that does not exist."""
        from obstore.exceptions import BaseError

        try:
            return action()
        except (BaseError, OSError) as error:
            if _NO_BUCKET not in str(error):
                raise
            bucket = self._uri.removeprefix("s3://").partition("/")[0]
        raise WarehouseUnavailable(
            f"there is no bucket {bucket!r}, in which {self._uri}{self.named_by} lies: correct the"
            " location, or create the bucket"
        )


class InMemoryStore(RemoteStore):
    """An object store in this process's memory, which ends with the object.

    Example:
        >>> store = InMemoryStore()
        >>> store.put_if_absent("a", b"1"), store.put_if_absent("a", b"2"), store.get("a")
        (True, False, b'1')
    """

    def __init__(self) -> None:
        from obstore.store import MemoryStore

        super().__init__(MemoryStore(), "memory:///")

    def opener(self) -> Callable[[], ObjectStore]:
        """Raise, because other processes cannot read this one's memory."""
        raise WarehouseUnavailable(
            "memory:/// cannot be opened in another process: use a directory or S3"
        )


def _read(get: Callable[[], GetResult]) -> tuple[memoryview, int]:
    """Return the bytes of a response, and the size of the whole object.

    obstore does not repeat a request whose response breaks off in the middle.
    """
    from obstore.exceptions import BaseError

    limit = timeouts().total
    failure: BaseError | None = None
    for _ in attempts(limit, first=0.5, longest=0.5):
        found = get()
        try:
            return memoryview(found.bytes()), found.meta["size"]
        except BaseError as error:
            failure = error
    assert failure is not None
    raise failure


def _ranges(names: Sequence[str], count: int) -> list[list[str]]:
    """Divide directories into ranges that follow one another, in the order of the keys below them.

    Some servers list keys in the order of the directories' names, where `a` comes before `a-b`; the
    ranges follow one another in this order, too.

    Example:
        >>> _ranges(["c", "a", "a-b", "b"], 4)
        [['a-b', 'a'], ['b'], ['c']]
    """
    by_key, by_name = sorted(names, key=lambda name: f"{name}/"), sorted(names)
    size = max(1, -(-len(names) // count))
    ranges: list[list[str]] = []
    some: list[str] = []
    differ: set[str] = set()
    for one, other in zip(by_key, by_name, strict=True):
        differ ^= {one}
        differ ^= {other}
        some.append(one)
        if len(some) >= size and not differ:
            ranges.append(some)
            some = []
    return [*ranges, some] if some else ranges
