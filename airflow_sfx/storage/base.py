"""The interface of object stores, and the values that they return."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_sfx.storage.s3_access import S3Access


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object in a listing.

    Args:
        path: Its path in the store.
        size: Its size in bytes.
        etag: The store's identifier of this version of the object; empty if the store has none.
        modified: When it was written, by the storage's own clock, possibly in whole seconds; None
            if the storage does not report it.
    """

    path: str
    size: int
    etag: str
    modified: datetime | None = None


class ObjectStore(ABC):
    """Objects below one root. Paths are relative to it, with ``/`` between steps.

    Every write is durable when it returns, unless the caller asks otherwise. No method overwrites
    what another call wrote. Only `delete` and `delete_unfinished` delete, and only retention calls
    them. Faults of the storage are raised as `WarehouseUnavailable`.

    Attributes:
        concurrency: How many small reads to run at once: 1 if each is a system call, more if each
            is a request to a server.
        visibility_seconds: For how long an object that is known to exist may stay invisible; 0 if
            the store always shows it at once.
        access: How S3 is reached from here; None for the settings of the AWS environment.
        source: What names the root, for messages: ``SFX_WAREHOUSE``; empty for nothing.
    """

    concurrency: int = 1
    visibility_seconds: float = 0.0
    access: S3Access | None = None
    source: str = ""

    @property
    @abstractmethod
    def uri(self) -> str:
        """The root, without secrets: ``file:///path`` or ``s3://bucket/prefix``."""

    def absence(self) -> str:
        """Return that the root does not exist yet, and the remedy; empty if it exists.

        Only a directory may be missing: the first write creates it.
        """
        return ""

    def require_bucket(self) -> None:  # noqa: B027
        """Raise `WarehouseUnavailable` if the root is in a bucket that does not exist.

        Some servers create a bucket with the first object written to it.
        """

    @property
    def named_by(self) -> str:
        """What names the root, in parentheses, to follow its URI in messages."""
        return f" (from {self.source})" if self.source else ""

    @abstractmethod
    def put(self, path: str, data: bytes | memoryview, *, synced: bool = True) -> str:
        """Write an object that no other caller writes, and return its ETag.

        Args:
            path: The object's path.
            data: Its content.
            synced: Whether the object is durable on return. If False, it is durable once
                `put_all_if_absent` has returned, which is faster for hundreds of small objects.
        """

    @abstractmethod
    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write an object unless one exists at its path.

        No two callers may write equal content. If the response to a write is lost, the store reads
        the object back: it holds the caller's content if the write took effect.

        Returns:
            True if the object holds ``data``; False if it holds other content, which stays.
        """

    @abstractmethod
    def put_all_if_absent(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Write many objects unless they exist, once earlier writes are durable.

        If it fails, any of the objects may have been written.

        Args:
            objects: Their paths and contents.

        Returns:
            The result of each, in the order of the objects.
        """

    @abstractmethod
    def claim(self, directory: str, token: str) -> bool:
        """Claim a directory for one writer.

        Args:
            directory: The directory's path.
            token: A text that no other caller uses.

        Returns:
            True if the caller now owns the directory; False if another writer has claimed it.
        """

    @abstractmethod
    def get(self, path: str) -> bytes | None:
        """Read a whole object; None if it does not exist."""

    def view(self, path: str) -> memoryview | None:
        """Read a whole object, without a copy if the store can avoid one."""
        data = self.get(path)
        return None if data is None else memoryview(data)

    @abstractmethod
    def view_part(self, path: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        """Read a range of an object's bytes; None if it does not exist.

        Args:
            path: The object's path.
            start: The offset of the first byte.
            stop: The offset after the last byte, greater than ``start``. An object that ends
                before it yields fewer bytes, or none.

        Returns:
            The bytes and the size of the whole object; None if it does not exist.
        """

    @abstractmethod
    def head(self, path: str) -> ObjectInfo | None:
        """Return an object's size and ETag; None if it does not exist."""

    @abstractmethod
    def copy(self, source: str, target: str) -> str:
        """Copy an object without downloading it, and return the copy's ETag."""

    @abstractmethod
    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects, ignoring those that do not exist. For retention only."""

    def unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Return objects that writers began and never finished, as no listing does.

        Args:
            directory: The directory to search; empty for all.
            before: Return only those begun before this time, as later ones may still be in
                progress; None for all.
            mine: Whether an object's path counts, as other programs may write there too; None for
                all paths.

        Returns:
            The paths of the objects that were begun, without duplicates, sorted.
        """
        return ()

    def delete_unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Delete what `unfinished` returns, and return it. For retention only."""
        return ()

    @abstractmethod
    def list(self, directory: str, *, unfinished: bool = False) -> Iterator[ObjectInfo]:
        """List all objects below a directory, at any depth.

        Args:
            directory: The directory; empty for all.
            unfinished: Whether to include files that are still being written, under their temporary
                names.
        """

    def paths(self, directory: str) -> Sequence[str]:
        """Return the paths of all objects below a directory, at any depth.

        For indexes whose names alone are read: a store may need less for it than for `list`.

        Args:
            directory: The directory.
        """
        return [info.path for info in self.list(directory)]

    def list_siblings(self, directory: str, names: Sequence[str]) -> Sequence[ObjectInfo]:
        """List all objects below some directories of a directory, in as few requests as possible.

        Args:
            directory: The directory.
            names: The names of the directories in it.
        """
        return [info for name in names for info in self.list(f"{directory}/{name}")]

    @abstractmethod
    def list_directories(self, directory: str) -> Sequence[str]:
        """Return the names of the directories directly below a directory, sorted."""

    def directories_after(self, directory: str, name: str) -> Sequence[str]:
        """Return the names of directories as `list_directories`, of those after a name.

        A store may need less for few than for `list_directories`.

        Args:
            directory: The directory.
            name: The name, to which no other one adds characters.
        """
        return [one for one in self.list_directories(directory) if one > name]

    @abstractmethod
    def names_after(self, directory: str, name: str) -> Sequence[str]:
        """Return the names of the objects directly in a directory that follow a name, sorted.

        Args:
            directory: The directory, which has no directories below.
            name: The name, which need not exist; empty for all.
        """

    @abstractmethod
    def opener(self) -> Callable[[], ObjectStore]:
        """Return a function that opens the same root in another process.

        It can be pickled, and holds no secret.
        """

    def local_path(self, path: str) -> str | None:
        """Return the object's path in this machine's file system; None if it has none."""
        return None
