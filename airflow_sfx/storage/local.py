"""Object storage in a directory of this machine.

A file is written under a temporary name, synced, and then linked to its final name, which fails if
that exists: readers never see half a file, and two writers cannot both create it. Files survive a
power failure, and forked processes may use the store. See
docs/decisions/0004-files-without-obstore.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.file_system_sync import sync_file_system
from airflow_sfx.storage.base import ObjectInfo, ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.errors import storage_errors

T = TypeVar("T")

_CREATORS = 2
"""Threads that create files: one continues while another waits for the file system's journal."""

_TRIES = 8
"""How often to recreate a directory that retention removes at the same time."""

_UNFINISHED = re.compile(r"#[0-9a-f]{32}$")


class LocalStore(ObjectStore):
    """An object store in a directory of this machine.

    Args:
        root: The directory's absolute path. The first write creates it.

    Raises:
        WarehouseUnavailable: The path is that of a file, or may not be accessed.

    Example:
        >>> import tempfile
        >>> store = LocalStore(tempfile.mkdtemp())
        >>> store.put_if_absent("a", b"1"), store.put_if_absent("a", b"2"), store.get("a")
        (True, False, b'1')
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self._call("open", "", partial(_require_directory, self._root))

    @property
    def uri(self) -> str:
        """The root as a URI."""
        return f"file://{self._root}"

    def absence(self) -> str:
        """Return a sentence if the directory does not exist."""
        if os.path.isdir(self._root):
            return ""
        return (
            f"the directory {self._root}{self.named_by} does not exist: correct the warehouse's"
            " URI, or store a first batch, which creates it"
        )

    def put(self, path: str, data: bytes | memoryview, *, synced: bool = True) -> str:
        """Write a file that no other caller writes, and return no ETag."""
        lasts = synced or not sync_file_system

        def write(target: str) -> bool:
            try:
                _write(target, data, synced=lasts)
            except FileExistsError:
                return False
            return True

        if not self._create("write", path, write, synced=lasts):
            raise InvalidName(
                f"{self.uri}/{path} exists already: a file of a batch is written once"
            )
        return ""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a file unless one exists; see `ObjectStore.put_if_absent`."""

        def write(target: str) -> bool:
            with _unfinished(target) as unfinished:
                _write(unfinished, data, synced=True)
                return _link(unfinished, target)

        return self._create("create", path, write) or self.get(path) == data

    def put_all_if_absent(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Write files that do not exist: sync all contents at once, and then all names.

        The first sync includes what `put` wrote without one.
        """
        sync = sync_file_system
        if not sync:
            return [self.put_if_absent(*item) for item in objects]
        nonce = uuid.uuid4().hex
        made = [
            (path, data, f"{self._path(path)}#{number:08x}{nonce[8:]}")
            for number, (path, data) in enumerate(objects)
        ]
        try:
            map_concurrently(self._prepare_each, _parts(made, _CREATORS), _CREATORS)
            self._call("sync", "", partial(sync, self._root))
            done = self._link_each(made)
        finally:
            for _, _, unfinished in made:
                _remove(unfinished)
        self._call("sync", "", partial(sync, self._root))
        return done

    def _prepare_each(self, made: Sequence[tuple[str, bytes, str]]) -> None:
        for path, data, unfinished in made:
            prepare = partial(_prepare, data=data)
            self._call("create", path, partial(self._create_in, unfinished, prepare, synced=False))

    def _link_each(self, made: Sequence[tuple[str, bytes, str]]) -> list[bool]:
        return [
            self._call("create", path, partial(_link, unfinished, self._path(path)))
            or self.get(path) == data
            for path, data, unfinished in made
        ]

    def claim(self, directory: str, token: str) -> bool:
        """Claim a directory by creating it: only one caller can."""

        def make(target: str) -> bool:
            try:
                os.mkdir(target)
            except FileExistsError:
                return False
            return True

        return self._create("create", directory, make)

    def get(self, path: str) -> bytes | None:
        """Read a whole file; None if it does not exist."""

        def read() -> bytes | None:
            try:
                with open(self._path(path), "rb", buffering=0) as file:
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._call("read", path, read)

    def view_part(self, path: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        """Read a part of a file; see `ObjectStore.view_part`."""

        def read() -> tuple[memoryview, int] | None:
            try:
                with open(self._path(path), "rb", buffering=0) as file:
                    return (
                        memoryview(os.pread(file.fileno(), stop - start, start)),
                        os.fstat(file.fileno()).st_size,
                    )
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._call("read", path, read)

    def head(self, path: str) -> ObjectInfo | None:
        """Return a file's size; None if it does not exist."""

        def look() -> ObjectInfo | None:
            try:
                found = os.stat(self._path(path))
                return ObjectInfo(
                    path, found.st_size, "", datetime.fromtimestamp(found.st_mtime, UTC)
                )
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._call("look at", path, look)

    def copy(self, source: str, target: str) -> str:
        """Create a hard link to a file, which never changes."""

        def link(there: str) -> bool:
            os.link(self._path(source), there)
            return True

        self._call("copy", source, partial(self._create_in, self._path(target), link))
        return ""

    def delete(self, paths: Sequence[str]) -> None:
        """Delete files, and directories that become empty; see `ObjectStore.delete`."""

        def remove(path: str) -> None:
            target = self._path(path)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)
            above = os.path.dirname(target)
            with contextlib.suppress(OSError):  # it is not empty, or does not exist
                while len(above) > len(self._root):
                    os.rmdir(above)
                    above = os.path.dirname(above)

        for path in paths:
            self._call("delete", path, partial(remove, path))

    def unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Return files with a temporary name; see `ObjectStore.unfinished`."""
        return sorted(set(self._temporary(directory, before, mine).values()))

    def delete_unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Delete such files, and directories that become empty."""
        found = self._temporary(directory, before, mine)
        self.delete(list(found))
        return sorted(set(found.values()))

    def _temporary(
        self, directory: str, before: datetime | None, mine: Callable[[str], bool] | None
    ) -> dict[str, str]:
        """Return the final name of each file that still has its temporary name."""
        latest = None if before is None else before.timestamp()

        def is_due(path: str) -> bool:
            try:
                return latest is None or os.stat(self._path(path)).st_mtime < latest
            except FileNotFoundError:  # its writer has just finished
                return False

        def look() -> Sequence[str]:
            return [
                path for path in self._walk(directory) if _UNFINISHED.search(path) and is_due(path)
            ]

        found = self._call("list", directory, look)
        whole = {path: _UNFINISHED.sub("", path) for path in found}
        return {path: one for path, one in whole.items() if mine is None or mine(one)}

    def list(self, directory: str, *, unfinished: bool = False) -> Iterator[ObjectInfo]:
        """List all files below a directory, at any depth; see `ObjectStore.list`."""
        for path in self._call("list", directory, lambda: self._walk(directory)):
            hidden = not unfinished and _UNFINISHED.search(path)
            info = None if hidden else self.head(path)
            if info is not None:
                yield info

    def paths(self, directory: str) -> Sequence[str]:
        """Return the paths of all files below a directory, without looking at each file."""
        found = self._call("list", directory, lambda: self._walk(directory))
        return [path for path in found if "#" not in path or not _UNFINISHED.search(path)]

    def _walk(self, directory: str) -> Sequence[str]:
        """Return the paths of all files below a directory, relative to the root."""
        top = self._path(directory) if directory else self._root

        def raised(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise error  # an unreadable directory is not an empty one

        found = []
        for folder, _, names in os.walk(top, onerror=raised):
            below = f"{directory}{folder[len(top) :]}/".lstrip("/")
            found += [below + name for name in names]
        return found

    def list_directories(self, directory: str) -> Sequence[str]:
        """Return the names of the directories directly below a directory, sorted."""

        def look() -> Sequence[str]:
            try:
                with os.scandir(self._path(directory)) as entries:
                    return sorted(entry.name for entry in entries if entry.is_dir())
            except (FileNotFoundError, NotADirectoryError):
                return []

        return self._call("list", directory, look)

    def names_after(self, directory: str, name: str) -> Sequence[str]:
        """Return the names of files in a directory; see `ObjectStore.names_after`."""

        def look() -> Sequence[str]:
            try:
                with os.scandir(self._path(directory)) as entries:
                    return sorted(
                        entry.name
                        for entry in entries
                        if entry.name > name and not _UNFINISHED.search(entry.name)
                    )
            except (FileNotFoundError, NotADirectoryError):
                return []

        return self._call("list", directory, look)

    def opener(self) -> Callable[[], ObjectStore]:
        """Return what opens the directory in another process of this machine."""
        return partial(LocalStore, self._root)

    def local_path(self, path: str) -> str | None:
        """Return the file's path."""
        return self._path(path)

    def _path(self, path: str) -> str:
        if ".." in path.split("/") or "\0" in path:
            raise InvalidName(f"the path {path!r} leaves the warehouse: it has a '..' step")
        return f"{self._root}/{path}"

    def _create(
        self, verb: str, path: str, create: Callable[[str], bool], *, synced: bool = True
    ) -> bool:
        """Make a file's directory and create the file; return whether ``create`` created it."""
        return self._call(verb, path, partial(self._create_in, self._path(path), create, synced))

    def _create_in(self, target: str, create: Callable[[str], bool], synced: bool = True) -> bool:
        parent, tries = os.path.dirname(target), 1
        while True:
            made = _make_directory(parent)
            try:
                created = create(target)
                break
            except FileNotFoundError:  # retention has just removed the empty directory
                if tries == _TRIES:
                    raise
                tries += 1
        if created and synced:
            self._sync_directory(parent, up=made)
        return created

    def _sync_directory(self, directory: str, *, up: bool) -> None:
        """Sync a directory's entries, and with ``up`` those of its parents."""
        _sync(directory)
        while up and len(directory) > len(self._root):
            directory = os.path.dirname(directory)
            _sync(directory)

    def _call(self, verb: str, path: str, action: Callable[[], T]) -> T:
        return storage_errors((OSError,), verb, f"{self.uri}/{path}", action)


def _require_directory(path: str) -> None:
    """Raise an error if a path is not that of a directory, or of nothing yet."""
    with contextlib.suppress(FileNotFoundError):
        os.scandir(path).close()


def _make_directory(directory: str) -> bool:
    """Create a directory and its parents; return False if it exists."""
    if os.path.isdir(directory):
        return False
    for _ in range(_TRIES):
        # Retention may just have removed one that was empty.
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            os.makedirs(directory, exist_ok=True)
            return True
    os.makedirs(directory, exist_ok=True)
    return True


@contextlib.contextmanager
def _unfinished(path: str) -> Iterator[str]:
    """Yield a temporary name for a file, and remove what has it afterwards."""
    name = f"{path}#{uuid.uuid4().hex}"
    try:
        yield name
    finally:
        _remove(name)


def _remove(unfinished: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(unfinished)


def _parts(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """Split a list into about ``count`` parts of equal size."""
    size = -(-len(items) // count) or 1
    return [items[start : start + size] for start in range(0, len(items), size)]


def _write(path: str, data: bytes | memoryview, *, synced: bool) -> None:
    """Create a file with its content, or leave none behind."""
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if synced:
            os.fsync(handle)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(handle)


def _prepare(unfinished: str, data: bytes) -> bool:
    _write(unfinished, data, synced=False)
    return True


def _link(unfinished: str, path: str) -> bool:
    """Give a finished file its final name; return False if another file has it."""
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return False
    return True


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
