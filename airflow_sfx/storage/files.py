"""Storage in a directory of this machine, durable against a loss of power, and usable in forked processes.

A file is written under another name, made durable, and then linked to its own name, which fails if there is one: nobody
sees half a file, and two writers cannot both create it. See docs/decisions/0004-files-without-obstore.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.storage.faults import reported
from airflow_sfx.storage.store import ObjectInfo

T = TypeVar("T")

_UNFINISHED = re.compile(r"#[0-9a-f]{32}$")


class FileStorage:
    """A `Store` in a directory.

    Args:
        root: The directory's absolute path; made if it is absent.

    Raises:
        WarehouseUnavailable: The directory cannot be made or read.

    Example:
        >>> import tempfile
        >>> store = FileStorage(tempfile.mkdtemp())
        >>> store.put_if_absent("a", b"1"), store.put_if_absent("a", b"2"), store.get("a")
        (True, False, b'1')
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self._call("make", "", lambda: os.makedirs(self._root, exist_ok=True))

    @property
    def uri(self) -> str:
        """The root as a URI."""
        return f"file://{self._root}"

    @property
    def readers(self) -> int:
        """Reads are system calls, sooner done than handed to a thread."""
        return 1

    def put(self, path: str, data: bytes | memoryview) -> str:
        """Write a file below a directory that the caller has claimed. Files have no ETag worth keeping.

        The content is durable; the directory's entry is once something is created beside it, as a manifest is.
        """
        if not self._call("write", path, lambda: _create(self._path(path), data)):
            raise InvalidName(f"{self.uri}/{path} is there already: a file of a batch is written once")
        return ""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a file unless there is one; see `Store.put_if_absent`."""

        def write() -> bool:
            target = self._path(path)
            parent = os.path.dirname(target)
            made = not os.path.isdir(parent)
            if made:
                os.makedirs(parent, exist_ok=True)
            if not _create(target, data):
                return self.get(path) == data
            if made:
                self._sync_up(parent)
            else:
                _sync(parent)
            return True

        return self._call("create", path, write)

    def claim(self, directory: str, token: str) -> bool:
        """Take a directory by making it: only one caller can."""
        target = self._path(directory)

        def make() -> bool:
            parent = os.path.dirname(target)
            made = not os.path.isdir(parent)
            if made:
                os.makedirs(parent, exist_ok=True)
            try:
                os.mkdir(target)
            except FileExistsError:
                return False
            if made:
                self._sync_up(parent)
            else:
                _sync(parent)
            return True

        return self._call("create", directory, make)

    def get(self, path: str) -> bytes | None:
        """Read a file whole; None if there is none."""

        def read() -> bytes | None:
            try:
                with open(self._path(path), "rb", buffering=0) as file:
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._call("read", path, read)

    def head(self, path: str) -> ObjectInfo | None:
        """Size of a file; None if there is none."""

        def look() -> ObjectInfo | None:
            try:
                return ObjectInfo(path, os.stat(self._path(path)).st_size, "")
            except (FileNotFoundError, NotADirectoryError):
                return None

        return self._call("look at", path, look)

    def copy(self, source: str, target: str) -> str:
        """Give a file, which never changes, a second name: a hard link."""

        def link() -> None:
            os.link(self._path(source), self._path(target))

        self._call("copy", source, link)
        return ""

    def list(self, directory: str) -> Iterator[ObjectInfo]:
        """All files below a directory, at any depth, without those that are being written."""
        top = self._path(directory) if directory else self._root
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self._root)
                info = None if _UNFINISHED.search(name) else self.head(path)
                if info is not None:
                    yield info

    def list_directories(self, directory: str) -> Sequence[str]:
        """The names of the directories directly below a directory, sorted."""

        def look() -> Sequence[str]:
            try:
                with os.scandir(self._path(directory)) as entries:
                    return sorted(entry.name for entry in entries if entry.is_dir())
            except (FileNotFoundError, NotADirectoryError):
                return []

        return self._call("list", directory, look)

    def local_path(self, path: str) -> str | None:
        """The file's path."""
        return self._path(path)

    def _path(self, path: str) -> str:
        if ".." in path.split("/") or "\0" in path:
            raise InvalidName(f"the path {path!r} leaves the warehouse: it has a '..' step")
        return f"{self._root}/{path}"

    def _sync_up(self, directory: str) -> None:
        """Make the directory's entries and those above it durable, up to the root."""
        while len(directory) >= len(self._root):
            _sync(directory)
            directory = os.path.dirname(directory)

    def _call(self, verb: str, path: str, action: Callable[[], T]) -> T:
        return reported((OSError,), verb, f"{self.uri}/{path}", action)


def _create(path: str, data: bytes | memoryview) -> bool:
    """Create a file with durable content, all at once; False if there is one already."""
    unfinished = f"{path}#{uuid.uuid4().hex}"
    handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
