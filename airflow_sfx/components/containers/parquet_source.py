"""Read what `parquet` writes, and allocate no more than is declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from airflow_sfx.components.columns import bits, codecs, nodes
from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.containers import parquet
from airflow_sfx.components.containers.thrift import Reader, Value

WITHIN = "\x00"
"""What separates the steps of the path of a nested column."""
_FOOTER = 8
_WIDEST = 32
_MOST_HEAD = 8  # the width and the length of a run of indices


@dataclass(frozen=True)
class Footer:
    """What the footer of a file says.

    Args:
        rows: The rows of the file.
        columns: The metadata of each column in each group of rows, by its path.
        metadata: The keys and values that say what the file is.
    """

    rows: int
    columns: dict[str, list[dict[int, Value]]]
    metadata: dict[str, bytes]


@dataclass(frozen=True)
class StoredPage:
    """A page, with its bytes as they are stored."""

    count: int
    encoding: int
    codec: int
    data: memoryview
    size: int
    dictionary: bool


def read_footer(data: bytes) -> Footer:
    """Return the footer of a file.

    Raises:
        ModelRefused: It is truncated or not one.
    """
    length = int.from_bytes(data[-_FOOTER:-4], "little")
    if len(data) < _FOOTER + 4 + length or data[-4:] != parquet.MAGIC:
        raise refused("is a Parquet file without its end")
    fields = Reader(data[-_FOOTER - length : -_FOOTER]).struct()
    metadata = {
        _bytes(pair, 1).decode(errors="replace"): _bytes(pair, 2) for pair in _structs(fields, 5)
    }
    columns: dict[str, list[dict[int, Value]]] = {}
    for group in _structs(fields, 4):
        for column in _structs(group, 1):
            described = _struct(column, 3)
            path = described.get(3)
            if not isinstance(path, list) or not all(isinstance(one, bytes) for one in path):
                raise refused("has a footer with a column without a name")
            name = WITHIN.join(one.decode(errors="replace") for one in path if type(one) is bytes)
            columns.setdefault(name, []).append(described)
    return Footer(_integer(fields, 3), columns, metadata)


class ParquetSource:
    """The columns of a file.

    Args:
        data: The file.
        footer: Its footer.
    """

    def __init__(self, data: bytes, footer: Footer) -> None:
        self._data = data
        self._footer = footer

    def integers(self, node: nodes.Node, count: int) -> Array:
        """Return so many integers of a column, or one integer so many times."""
        if isinstance(node, nodes.Ints) and node.width == 0 and node.size == 0:
            return np.full(count, node.low, dtype="i8")
        name, kind = self._column(node, count)
        if kind == parquet.BOOLEAN:
            found = [bits.unpack(one, number, 1) for number, one in self._plain_bits(name)]
            return _joined(found, count).astype("i8")
        if kind not in (parquet.INT32, parquet.INT64):
            raise refused(f"has a column {name!r} that is not of integers")
        return self._numbers(name, np.dtype(parquet.ITEMS[kind]), count).astype("i8")

    def items(self, node: nodes.Node, count: int, dtype: np.dtype[np.generic]) -> Array:
        """Return so many floats of a column."""
        if dtype.itemsize < 4:  # noqa: PLR2004
            return self.integers(node, count).astype("<u2").view(dtype)
        name, kind = self._column(node, count)
        if kind != (parquet.FLOAT if dtype.itemsize == 4 else parquet.DOUBLE):  # noqa: PLR2004
            raise refused(f"has a column {name!r} that is not of floats")
        return self._numbers(name, dtype, count)

    def texts(self, node: nodes.Node, count: int, most: int) -> list[bytes]:
        """Return so many texts of a column, of at most so many bytes together."""
        name, kind = self._column(node, count)
        if kind != parquet.BINARY:
            raise refused(f"has a column {name!r} that is not of texts")
        found: list[bytes] = []
        for page in self.pages(name, self._footer.rows):
            if page.encoding != parquet.PLAIN or page.size > most + 4 * page.count:
                raise refused(f"has a column {name!r} of other texts, or too long for limit=")
            found += _texts(bytes(self._content(name, page, page.size)), page.count)
        if len(found) != count:
            raise refused(f"has a column {name!r} of another length than declared")
        return found

    def _column(self, node: nodes.Node, count: int) -> tuple[str, int]:
        if not isinstance(node, nodes.Column) or node.name not in self._footer.columns:
            raise refused("names a column that it does not have")
        if count != self._footer.rows:
            raise refused(f"has {self._footer.rows} rows where {count} are declared")
        return node.name, _integer(self._footer.columns[node.name][0], 1)

    def _numbers(self, name: str, dtype: np.dtype[np.generic], count: int) -> Array:
        """Return the numbers of a column, whose pages are plain, split, or of a dictionary."""
        distinct: Array | None = None
        found: list[Array] = []
        for page in self.pages(name, self._footer.rows):
            if page.encoding == parquet.RLE_DICTIONARY and not page.dictionary:
                index = self._index(name, page)
                if distinct is None or (len(index) and int(index.max()) >= len(distinct)):
                    raise refused(f"has a column {name!r} with indices outside of its dictionary")
                found.append(distinct[index])
                continue
            data = self._content(name, page, page.count * dtype.itemsize)
            if page.encoding == parquet.SPLIT:
                planes = np.frombuffer(data, dtype="u1").reshape(dtype.itemsize, page.count)
                found.append(np.ascontiguousarray(planes.T).reshape(-1).view(dtype))
            elif page.encoding == parquet.PLAIN:
                numbers = np.frombuffer(data, dtype=dtype)
                if page.dictionary:
                    distinct = numbers
                else:
                    found.append(numbers)
            else:
                raise refused(f"has a column {name!r} in an encoding that is not used")
        return _joined(found, count)

    def _index(self, name: str, page: StoredPage) -> Array:
        """Return the indices of a page: one run, bit-packed."""
        if page.size > _MOST_HEAD + _WIDEST // 8 * (page.count + 8):
            raise refused(f"has a column {name!r} with a page that is too long")
        data = bytes(self._content(name, page, page.size))
        run = Reader(data, 1)
        groups = run.varint()
        width = data[0]
        if groups != -(-page.count // 8) << 1 | 1 or width > _WIDEST:
            raise refused(f"has a column {name!r} with indices in another form")
        if len(data) - run.position < bits.size_of(page.count, width):
            raise refused(f"has a column {name!r} with too few indices")
        return bits.unpack(memoryview(data)[run.position :], page.count, width).astype("i8")

    def _plain_bits(self, name: str) -> Iterator[tuple[int, bytes | memoryview]]:
        for page in self.pages(name, self._footer.rows):
            if page.encoding != parquet.PLAIN:
                raise refused(f"has a column {name!r} of another length than declared")
            yield page.count, self._content(name, page, bits.size_of(page.count, 1))

    def _content(self, name: str, page: StoredPage, size: int) -> bytes | memoryview:
        if page.size != size:
            raise refused(f"has a column {name!r} with a page of another size than declared")
        ours = codecs.ZSTD if page.codec == parquet.ZSTD else codecs.STORED
        return codecs.decompress(page.data, ours, size)

    def pages(self, name: str, most: int | None = None) -> Iterator[StoredPage]:
        """Yield the pages of a column: within the file, and of no more values than allowed.

        Args:
            name: The column.
            most: The most values, or None for any number.

        Raises:
            ModelRefused: A page is outside of its column, or of another format than is written.
        """
        for described in self._footer.columns[name]:
            left, dictionaries = most, 0
            for page in self._chunk(name, described):
                dictionaries += page.dictionary
                if left is not None and not page.dictionary:
                    left -= page.count
                if dictionaries > 1 or (left is not None and left < 0):
                    raise refused(f"has a column {name!r} with more values than declared")
                if page.dictionary and most is not None and page.count > most:
                    raise refused(f"has a column {name!r} with a dictionary longer than itself")
                yield page

    def _chunk(self, name: str, described: dict[int, Value]) -> Iterator[StoredPage]:
        length = _integer(described, 7)
        if length == 0:  # of a file without rows
            return
        start = _integer(described, 11 if 11 in described else 9)  # noqa: PLR2004
        end = start + length
        codec = _integer(described, 4)
        if not len(parquet.MAGIC) <= start <= end <= len(self._data):
            raise refused(f"has a column {name!r} outside of the file")
        if codec not in (parquet.ZSTD, parquet.UNCOMPRESSED):
            raise refused(f"has a column {name!r} in a codec that is not used")
        while start < end:
            reader = Reader(self._data, start, end)
            head = reader.struct()
            size, kind, plain = _integer(head, 3), _integer(head, 1), _integer(head, 2)
            start = reader.position + size
            if kind not in (parquet.DATA_PAGE, parquet.DICTIONARY_PAGE):
                raise refused(f"has a column {name!r} with a page of a type that is not used")
            details = _struct(head, 7 if kind == parquet.DICTIONARY_PAGE else 5)
            count = _integer(details, 1)
            if min(size, count, plain) < 0 or start > end:
                raise refused(f"has a column {name!r} with a page outside of it")
            yield StoredPage(
                count,
                _integer(details, 2),
                codec,
                memoryview(self._data)[reader.position : start],
                plain,
                kind == parquet.DICTIONARY_PAGE,
            )


def _joined(parts: list[Array], count: int) -> Array:
    if sum(map(len, parts)) != count:
        raise refused("has a column of another length than declared")
    return np.concatenate(parts) if len(parts) != 1 else parts[0].copy()


def _texts(data: bytes, count: int) -> list[bytes]:
    found, place = [], 0
    for _ in range(count):
        begin = place + 4
        place = begin + int.from_bytes(data[place:begin], "little")
        if begin > len(data) or place > len(data):
            raise refused("has a text that is longer than its page")
        found.append(data[begin:place])
    if place != len(data):
        raise refused("has a page with bytes after its texts")
    return found


def _structs(fields: dict[int, Value], number: int) -> Iterator[dict[int, Value]]:
    listed = fields.get(number, [])
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict):
            yield one


def _struct(fields: dict[int, Value], number: int) -> dict[int, Value]:
    found = fields.get(number)
    if not isinstance(found, dict):
        raise refused(f"has a footer without field {number}")
    return found


def _integer(fields: dict[int, Value], number: int) -> int:
    found = fields.get(number)
    if not isinstance(found, int):
        raise refused(f"has a footer without field {number}")
    return found


def _bytes(fields: dict[int, Value], number: int) -> bytes:
    found = fields.get(number)
    return found if isinstance(found, bytes) else b""
