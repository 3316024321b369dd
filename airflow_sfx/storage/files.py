"""Storage in a directory of this machine, durable against a loss of power.

obstore writes a file under another name and links it into place, so nobody sees half a file. What it leaves to the
caller is to make the file and its directory entry durable: `fsync` of the file, then of the directory.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.storage.objects import ObjectStorage
from airflow_sfx.storage.store import ObjectInfo


class FileStorage(ObjectStorage):
    """A `Store` in a directory. Reading costs a system call or two, not a round trip through the object layer.

    Args:
        root: The directory's absolute path; made if it is absent.

    Raises:
        WarehouseUnavailable: The directory cannot be made or read.
    """

    def __init__(self, root: str) -> None:
        from obstore.store import LocalStore

        self._root = os.path.abspath(root)
        self._uri = f"file://{self._root}"
        self._call("make", "", lambda: os.makedirs(self._root, exist_ok=True))
        super().__init__(LocalStore(self._root), self._uri)

    @property
    def readers(self) -> int:
        """Reads are system calls, sooner done than handed to a thread."""
        return 1

    def put(self, path: str, data: bytes | memoryview) -> str:
        """Write a file below a directory that the caller has claimed. Files have no ETag worth keeping.

        The content is durable; the directory's entry is once something is created beside it, as a manifest is.
        """
        super().put(path, data)
        self._call("write", path, lambda: _sync(self._path(path)))
        return ""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a file unless there is one; see `Store.put_if_absent`."""
        parent = os.path.dirname(self._path(path))
        made = not os.path.isdir(parent)
        created = super().put_if_absent(path, data)
        if created:
            self._make_durable(path)
            if made:
                self._call("write", path, lambda: self._sync_up(parent))
        return created

    def claim(self, directory: str, token: str) -> bool:
        """Take a directory by making it: only one caller can."""
        target = self._path(directory)

        def make() -> bool:
            try:
                os.mkdir(target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(target)
                    self._sync_up(target)
                    return True
                return False
            except FileExistsError:
                return False
            _sync(os.path.dirname(target))
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
        """Give a file, which never changes, a second name: a hard link, or a copy where links are not possible."""
        try:
            os.link(self._path(source), self._path(target))
        except OSError:
            return super().copy(source, target)
        self._call("copy", target, lambda: _sync(os.path.dirname(self._path(target))))
        return ""

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

    def _make_durable(self, path: str) -> None:
        def sync() -> None:
            _sync(self._path(path))
            _sync(os.path.dirname(self._path(path)))

        self._call("write", path, sync)

    def _sync_up(self, directory: str) -> None:
        """Make the directory and those above it durable, up to the root."""
        while len(directory) >= len(self._root):
            _sync(directory)
            directory = os.path.dirname(directory)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
