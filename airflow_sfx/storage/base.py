"""What the warehouse asks of storage, whatever keeps the objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object as a listing shows it.

    Args:
        path: Its path in the store.
        size: Its size in bytes.
        etag: What the store calls this version of the object; empty where it has no name for it.
        modified: When it was written by the storage's own clock, which may tell the second only;
            None where it does not say.
    """

    path: str
    size: int
    etag: str
    modified: datetime | None = None


class ObjectStore(Protocol):
    """Objects under one root. Paths are relative to it, with ``/`` between steps.

    Every write is durable when it returns, unless the caller says otherwise. No method overwrites
    what another call wrote, and only `delete` deletes, which retention alone calls. Faults of the
    storage come as `WarehouseUnavailable`.
    """

    @property
    def uri(self) -> str:
        """The root, without secrets: ``file:///path`` or ``s3://bucket/prefix``."""

    @property
    def concurrency(self) -> int:
        """Number of small requests worth making at once: 1 for local files, more for S3."""

    @property
    def timeouts(self) -> float:
        """For how many seconds an object that is known to be there may stay out of sight; 0 where it never does."""

    def put(self, path: str, data: bytes | memoryview, *, synced: bool = True) -> str:
        """Write an object below a directory that the caller has claimed; returns its ETag.

        Args:
            path: The object's path.
            data: Its content.
            synced: Whether it is durable when this returns; else once `put_all_if_absent` has,
                which for hundreds of small objects takes less time.
        """

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write an object unless there is one.

        Content must be unlike anybody else's. When the answer to a write was lost, the store reads
        the object back: the caller's own content means that the write took effect.

        Returns:
            True if the object holds ``data``, False if it holds something else, which then stays.
        """

    def put_all_if_absent(
        self, objects: Sequence[tuple[str, bytes]], *, led: bool = False, synced: bool = True
    ) -> list[bool]:
        """As `put_if_absent` for many objects; all that was written before is durable before any of them is there.

        When it fails, any of them may have been written.

        Args:
            objects: Their paths and contents.
            led: Whether none of the others is written where there is another object in the first
                one's place.
            synced: As for `put`.

        Returns:
            What came of each, in their order.
        """

    def claim(self, directory: str, token: str, *, synced: bool = True) -> bool:
        """Take a directory that nobody has taken yet; True if it is now the caller's.

        Args:
            directory: The directory's path.
            token: A text that no other caller has.
            synced: As for `put`.
        """

    def get(self, path: str) -> bytes | None:
        """Read an object whole; None if there is none."""

    def view(self, path: str) -> memoryview | None:
        """As `get`, without a copy where the storage has none to make."""

    def view_part(self, path: str, start: int, stop: int) -> tuple[memoryview, int] | None:
        """Some of an object's bytes, and how many it has; None if there is no object.

        Args:
            path: The object's path.
            start: The number of the first byte, from 0.
            stop: The number of the byte before which they end, greater than ``start``; where the
                object ends before it, fewer come, or none.
        """

    def head(self, path: str) -> ObjectInfo | None:
        """Size and ETag of an object; None if there is none."""

    def copy(self, source: str, target: str) -> str:
        """Copy an object within the store, without its bytes passing through here; returns the copy's ETag."""

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error. For retention alone: no write path deletes."""

    def unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """What writers began below a directory and never finished, under whatever name: no listing of objects shows it.

        Args:
            directory: The directory; empty for all.
            before: Only what was begun before; what is younger may be a living writer's. None for
                all.
            mine: Says of an object's path whether it counts: other programs may write there as
                well. None for all.

        Returns:
            The paths of the objects that they were to become, each once, sorted.
        """

    def delete_unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Delete what `unfinished` finds, and return it. For retention alone."""

    def list(self, directory: str, *, unfinished: bool = False) -> Iterator[ObjectInfo]:
        """All objects below a directory, at any depth.

        Args:
            directory: The directory; empty for all.
            unfinished: Whether files that are not whole yet, and bear another name until then, are
                among them.
        """

    def list_directories(self, directory: str) -> Sequence[str]:
        """The names of the directories directly below a directory, sorted."""

    def place(self, location: str) -> tuple[ObjectStore, str]:
        """A directory outside of this root, reached in the same way.

        Args:
            location: Its URI, as a metastore has it.

        Returns:
            A storage, and the directory's path in it; empty for its root.

        Raises:
            InvalidName: It is not in a kind of storage that is known here.
        """

    def opener(self) -> Callable[[], ObjectStore]:
        """What opens the same root in another process: it can be pickled, and holds no secret."""

    def local_path(self, path: str) -> str | None:
        """The object's path in this machine's file system, where it has one."""
