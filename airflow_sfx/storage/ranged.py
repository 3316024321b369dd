"""An object as a file that is read a range at a time, so that what nobody asks for is not fetched."""

from __future__ import annotations

import os
from collections.abc import Callable

Read = Callable[[int, int], memoryview]
"""Given the numbers of a first byte and of the one before which to end: those bytes."""


class RangedFile:
    """What `pyarrow.PythonFile` reads. Each read is a request, but for the object's end, which is held.

    Args:
        size: How many bytes the object has.
        tail: The last of them: a Parquet file has its footer there.
        read: Fetches others.

    Example:
        >>> content = b"a long middle and an end"
        >>> file = RangedFile(len(content), memoryview(content[-3:]), lambda start, stop: memoryview(content[start:stop]))
        >>> file.seek(2), bytes(file.read(4)), file.tell(), file.seek(-3, os.SEEK_END), bytes(file.read(3))
        (2, b'long', 6, 21, b'end')
    """

    def __init__(self, size: int, tail: memoryview, read: Read) -> None:
        self._size, self._tail, self._read = size, tail, read
        self._at = 0
        self.closed = False

    def read(self, count: int) -> memoryview:
        """Bytes from where the file is; fewer at its end."""
        start, stop = self._at, min(self._at + count, self._size)
        held = self._size - self._tail.nbytes
        found = self._tail[start - held : stop - held] if start >= held else self._read(start, stop)
        self._at = stop
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte; returns its number."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = begin + offset
        return self._at

    def tell(self) -> int:
        """The number of the byte that is read next."""
        return self._at

    def close(self) -> None:
        """Nothing is open between reads."""
        self.closed = True
