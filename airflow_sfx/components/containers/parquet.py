"""Write Parquet files of required columns of one length.

The pages are those that every engine reads: plain values or a dictionary with its indices, in pages
of version 1, compressed with zstd. Only where it saves a twentieth, floats are split by bytes
(``BYTE_STREAM_SPLIT``). pyarrow's writer is not used, because its footer takes some 600 bytes more
and changes with its version; its reader is not, because it allocates what a page declares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airflow_sfx.components.columns import bits, codecs, nodes
from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.distinct import distinct
from airflow_sfx.components.columns.prepare import Packed
from airflow_sfx.components.containers.thrift import Long, Value, encode, varint

MAGIC = b"PAR1"
_ROWS_OF_PAGE = 1 << 23
BOOLEAN, INT32, INT64, FLOAT, DOUBLE, BINARY = 0, 1, 2, 4, 5, 6
ITEMS = {INT32: "<i4", INT64: "<i8", FLOAT: "<f4", DOUBLE: "<f8"}
_UTF8, _DECIMAL = 0, 5
PLAIN, _RLE, RLE_DICTIONARY, SPLIT = 0, 3, 8, 9
UNCOMPRESSED, ZSTD = 0, 6
"""Parquet's codecs that are used."""
DATA_PAGE, DICTIONARY_PAGE = 0, 2
"""Parquet's types of pages."""
_MOST_DISTINCT = 1 << 15
_SPLIT_GAIN = 0.95
_DIGITS = {INT32: 9, INT64: 18}


@dataclass(frozen=True)
class Page:
    """A page of a column.

    Args:
        count: Its values.
        encoding: One of Parquet's encodings.
        data: The compressed bytes.
        size: The bytes before they were compressed.
        dictionary: Whether it is the dictionary's page.
    """

    count: int
    encoding: int
    data: bytes
    size: int
    dictionary: bool = False

    def header(self) -> bytes:
        """Return the header of the page."""
        details: dict[int, Value] = {1: self.count, 2: self.encoding}
        if not self.dictionary:
            details |= {3: _RLE, 4: _RLE}
        return encode(
            {
                1: DICTIONARY_PAGE if self.dictionary else DATA_PAGE,
                2: self.size,
                3: len(self.data),
                7 if self.dictionary else 5: details,
            }
        )


@dataclass(frozen=True)
class Chunk:
    """A column of a file.

    Args:
        name: Its name.
        kind: Its physical type.
        pages: Its pages.
        converted: The members of its schema that say what its values mean.
        codec: How its pages are compressed.
    """

    name: str
    kind: int
    pages: tuple[Page, ...]
    converted: tuple[tuple[int, int], ...] = ()
    codec: int = ZSTD

    @property
    def size(self) -> int:
        """The bytes of the pages, and about those of the column in the footer."""
        return sum(len(page.data) + 24 for page in self.pages) + 60 + 2 * len(self.name)


class ParquetLeaves:
    """Store columns as those of a Parquet file, all of one length.

    Args:
        hard: Whether the result is kept, and not only compared with others.
    """

    nested = False

    def __init__(self, *, hard: bool) -> None:
        self._hard = hard

    def integers(self, values: Array, name: str, places: int | None = None) -> Packed:
        """Store integers: none if all are equal, else in the type that they need."""
        low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
        if low == high:
            return Packed(nodes.Ints(0, low, 0, 0), (), 8)
        kind = INT32 if low >= -(1 << 31) and high < 1 << 31 else INT64
        converted: tuple[tuple[int, int], ...] = ()
        if places is not None and max(-low, high) < 10 ** _DIGITS[kind] and places:
            if places > _DIGITS[kind]:
                kind = INT64
            converted = ((6, _DECIMAL), (7, places), (8, _DIGITS[kind]))
        if (low, high) == (0, 1) and places is None:
            return _packed(Chunk(name, BOOLEAN, _bit_pages(values, self._hard)))
        return _packed(
            Chunk(name, kind, _best_pages(values.astype(ITEMS[kind]), self._hard), converted)
        )

    def items(self, values: Array, name: str) -> Packed:
        """Store floats, which have 4 or 8 bytes."""
        if values.itemsize < 4:  # noqa: PLR2004
            wide = values.view("<u2").astype("<i4")
            chunk = Chunk(name, INT32, _best_pages(wide, self._hard))
        else:
            kind = FLOAT if values.itemsize == 4 else DOUBLE  # noqa: PLR2004
            chunk = Chunk(name, kind, _best_pages(values, self._hard))
        return _packed(chunk)

    def texts(self, texts: Sequence[bytes], name: str) -> Packed:
        """Store texts in UTF-8."""
        data = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
        return _packed(
            Chunk(name, BINARY, (_page(data, len(texts), hard=self._hard),), ((6, _UTF8),))
        )

    def digits(self, text: bytes) -> Packed | None:
        """Return None: a column of numbers holds numbers."""
        del text
        return None

    def blob(self, data: bytes, name: str) -> Packed:
        """Store one value of bytes, which are compressed already."""
        whole = len(data).to_bytes(4, "little") + data
        page = Page(1, PLAIN, whole, len(whole))
        return _packed(Chunk(name, BINARY, (page,), codec=UNCOMPRESSED))

    def pco(self, values: Array, name: str) -> Packed | None:
        """Return None: other engines do not read pcodec."""
        del values, name
        return None


def _packed(chunk: Chunk) -> Packed:
    return Packed(nodes.Column(chunk.name), (chunk,), chunk.size)


def _page(
    data: bytes, count: int, encoding: int = PLAIN, *, hard: bool, dictionary: bool = False
) -> Page:
    return Page(count, encoding, codecs.zstd(data, hard=hard), len(data), dictionary)


def _best_pages(values: Array, hard: bool) -> tuple[Page, ...]:
    """Return the smallest pages of a column."""
    plain = tuple(_page(some.tobytes(), len(some), hard=hard) for some in _parts(values))
    found = [plain]
    if (pages := _dictionary_pages(values, hard)) is not None:
        found.append(pages)
    best = min(found, key=_size)
    if values.dtype.kind == "f":
        split = tuple(_page(_planes(some), len(some), SPLIT, hard=hard) for some in _parts(values))
        if _size(split) < _SPLIT_GAIN * _size(best):
            return split
    return best


def _size(pages: tuple[Page, ...]) -> int:
    return sum(len(page.data) for page in pages)


def _parts(values: Array) -> Iterator[Array]:
    for start in range(0, max(len(values), 1), _ROWS_OF_PAGE):
        yield values[start : start + _ROWS_OF_PAGE]


def _planes(values: Array) -> bytes:
    return np.ascontiguousarray(values.view("u1").reshape(-1, values.itemsize).T).tobytes()


def _bit_pages(values: Array, hard: bool) -> tuple[Page, ...]:
    return tuple(
        _page(bits.pack(some.astype("u8"), 1), len(some), hard=hard) for some in _parts(values)
    )


def _dictionary_pages(values: Array, hard: bool) -> tuple[Page, ...] | None:
    """Return the distinct values and their indices, with bits or with whole bytes for each."""
    most = min(_MOST_DISTINCT, len(values) // 2)
    coded = distinct(values.view(f"i{values.itemsize}"), most)
    if coded is None:
        return None
    found, index = coded
    first = _page(found.tobytes(), len(found), hard=hard, dictionary=True)
    least = max(1, bits.width_of(len(found) - 1))
    widths = {least, -(-least // 8) * 8}
    tried = [
        tuple(
            _page(_indices(some, width), len(some), RLE_DICTIONARY, hard=hard)
            for some in _parts(index)
        )
        for width in sorted(widths)
    ]
    return (first, *min(tried, key=_size))


def _indices(index: Array, width: int) -> bytes:
    """Return indices as one bit-packed run, after their width."""
    groups = -(-len(index) // 8)
    padded = np.zeros(groups * 8, dtype="u8")
    padded[: len(index)] = index
    return bytes([width]) + varint(groups << 1 | 1) + bits.pack(padded, width)


def write(chunks: Sequence[Chunk], rows: int, metadata: Mapping[str, str]) -> bytes:
    """Return a Parquet file.

    Args:
        chunks: Its columns, all of one length.
        rows: Their length.
        metadata: What the footer says about the file.
    """
    body = bytearray(MAGIC)
    described: list[Value] = []
    for chunk in chunks:
        starts, size, begin = [], 0, len(body)
        for page in chunk.pages:
            head = page.header()
            starts.append(len(body))
            size += len(head) + page.size
            body += head + page.data
        described.append(_described(chunk, rows, starts, size, len(body) - begin))
    schema: list[Value] = [{4: b"sfx", 5: len(chunks)}, *map(_element, chunks)]
    total = len(body) - len(MAGIC)
    pairs: list[Value] = [{1: key.encode(), 2: value.encode()} for key, value in metadata.items()]
    fields: dict[int, Value] = {
        1: 1,
        2: schema,
        3: Long(rows),
        4: [{1: described, 2: Long(total), 3: Long(rows)}],
    }
    footer = encode(fields | ({5: pairs} if pairs else {}))
    return bytes(body) + footer + len(footer).to_bytes(4, "little") + MAGIC


def _element(chunk: Chunk) -> dict[int, Value]:
    return {1: chunk.kind, 3: 0, 4: chunk.name.encode(), **dict(chunk.converted)}


def _described(
    chunk: Chunk, rows: int, starts: list[int], size: int, packed: int
) -> dict[int, Value]:
    """Return the metadata of a column, as the footer has it."""
    encodings: list[Value] = [*sorted({page.encoding for page in chunk.pages})]
    members: dict[int, Value] = {
        1: chunk.kind,
        2: encodings,
        3: [chunk.name.encode()],
        4: chunk.codec,
        5: Long(rows),
        6: Long(size),
        7: Long(packed),
        9: Long(starts[1] if chunk.pages[0].dictionary else starts[0]),
    }
    if chunk.pages[0].dictionary:
        members[11] = Long(starts[0])
    return {2: Long(starts[0]), 3: members}
