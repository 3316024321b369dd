"""The small form: magic, version, header, columns, checksum.

::

    b"SFXC" 0x01 | length of the header, a varint | header, MessagePack | columns | CRC-32
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from airflow_sfx.components.columns import bits, codecs, nodes
from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.decimals import as_read
from airflow_sfx.components.columns.prepare import Packed, Task, prepare
from airflow_sfx.components.columns.restore import refused, restore
from airflow_sfx.components.containers.thrift import Reader, varint

MAGIC = b"SFXC"
VERSION = 1
_SUM = 4
_LONGEST = 32  # bytes of a float as text
_WHOLE = 3  # added to the codec of integers that take whole bytes
_PCO = "pcodec is not installed: pip install 'airflow-sfx[pco]'"


class SmallLeaves:
    """Store columns as bytes.

    Args:
        pcodec: Whether pcodec may be used.
        hard: Whether the result is kept, and not only compared with others.
    """

    nested = True

    def __init__(self, *, pcodec: bool, hard: bool) -> None:
        self._pcodec = pcodec
        self._hard = hard

    def integers(self, values: Array, name: str, places: int | None = None) -> Packed:
        """Store integers in the layout that is smallest."""
        del name, places
        low = int(values.min()) if len(values) else 0
        width = bits.width_of(int(values.max()) - low) if len(values) else 0
        low = low if width < bits.WIDEST else 0
        with np.errstate(over="ignore"):
            rest = values.astype("u8") - np.int64(low).astype("u8")
        codec, data = self._packed(bits.pack(rest, width))
        found = [Packed(nodes.Ints(width, low, codec, len(data)), (data,), len(data) + 6)]
        bytes_each = (width + 7) // 8
        if width > 1:
            whole = rest.astype("<u8").view("u1").reshape(-1, 8)[:, :bytes_each]
            if width % 8:
                codec, data = self._packed(whole.tobytes())
                node = nodes.Ints(width, low, codec + _WHOLE, len(data))
                found.append(Packed(node, (data,), len(data) + 6))
            if bytes_each > 1:
                found.append(self._planes(whole, low))
        return min(found, key=lambda one: one.size)

    def items(self, values: Array, name: str) -> Packed:
        """Store floats as they are, or byte by byte."""
        del name
        codec, data = self._packed(values.tobytes())
        plain = Packed(nodes.Raw(codec, len(data)), (data,), len(data) + 5)
        planes = self._planes(values.view("u1").reshape(-1, values.itemsize), 0)
        return min(plain, planes, key=lambda one: one.size)

    def _planes(self, values: Array, low: int) -> Packed:
        """Store the first bytes of all values, then the second bytes, and so on."""
        parts = [self._packed(plane.tobytes()) for plane in values.T]
        node = nodes.Planes(low, [(codec, len(data)) for codec, data in parts])
        size = sum(len(data) + 4 for _, data in parts) + 4
        return Packed(node, tuple(data for _, data in parts), size)

    def texts(self, texts: Sequence[bytes], name: str) -> Packed:
        """Store texts one after the other, and their lengths."""
        del name
        whole = b"".join(texts)
        codec, data = self._packed(whole)
        lengths = prepare(Task(np.array([len(text) for text in texts], dtype="i8"), "", self))
        node = nodes.Texts(len(whole), codec, len(data), lengths.node)
        return Packed(node, (data, *lengths.chunks), len(data) + lengths.size + 8)

    def digits(self, text: bytes) -> Packed:
        """Store the text of floats."""
        codec, data = self._packed(text)
        return Packed(nodes.Digits(len(text), codec, len(data)), (data,), len(data) + 6)

    def _packed(self, data: bytes) -> tuple[int, bytes]:
        return codecs.smallest(data, hard=self._hard)

    def pco(self, values: Array, name: str) -> Packed | None:
        """Store numbers by pcodec, if that is allowed."""
        del name
        if not self._pcodec:
            return None
        pcodec = _pcodec()
        data: bytes = pcodec.standalone.simple_compress(values, pcodec.ChunkConfig(12))
        return Packed(nodes.Pco(len(data)), (data,), len(data) + 4)


class SmallSource:
    """The columns of a small component, in their order.

    Args:
        data: The bytes of all.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def take(self, size: int) -> memoryview:
        """Return the next bytes.

        Raises:
            ModelRefused: There are fewer.
        """
        if size > len(self._data):
            raise refused(f"has {len(self._data)} bytes where {size} are declared")
        found, self._data = self._data[:size], self._data[size:]
        return found

    def done(self) -> None:
        """Raise an error unless all bytes were taken."""
        if len(self._data):
            raise refused(f"has {len(self._data)} bytes too many")

    def integers(self, node: nodes.Node, count: int) -> Array:
        """Return so many integers."""
        match node:
            case nodes.Pco():
                return self._numbers(node, count, np.dtype("<i8"))
            case nodes.Planes(low, _):
                found = self._joined(node, count, 8).view("<u8")[:, 0]
            case nodes.Ints(width, low, form, size) if form < _WHOLE:
                length = bits.size_of(count, width)
                found = bits.unpack(self._content(size, form, length), count, width)
            case nodes.Ints(width, low, form, size):
                bytes_each = (width + 7) // 8
                data = self._content(size, form - _WHOLE, count * bytes_each)
                wide = np.zeros((count, 8), dtype="u1")
                wide[:, :bytes_each] = np.frombuffer(data, dtype="u1").reshape(count, bytes_each)
                found = wide.view("<u8")[:, 0]
            case _:
                raise refused(f"has {type(node).__name__} where integers must be")
        with np.errstate(over="ignore"):
            shifted: Array = (found + np.int64(low).astype("u8")).astype("i8")
        return shifted

    def items(self, node: nodes.Node, count: int, dtype: np.dtype[np.generic]) -> Array:
        """Return so many floats."""
        match node:
            case nodes.Pco():
                return self._numbers(node, count, dtype)
            case nodes.Digits():
                return self._written(node, count, dtype)
            case nodes.Planes(_, parts) if len(parts) == dtype.itemsize:
                return self._joined(node, count, dtype.itemsize).reshape(-1).view(dtype)
            case nodes.Raw(codec, size):
                data = self._content(size, codec, count * dtype.itemsize)
                return np.frombuffer(data, dtype=dtype).copy()
        raise refused(f"has {type(node).__name__} where floats must be")

    def _content(self, size: int, codec: int, length: int) -> bytes | memoryview:
        return codecs.decompress(self.take(size), codec, length)

    def _joined(self, node: nodes.Planes, count: int, width: int) -> Array:
        """Return values of so many bytes from their planes."""
        found = np.zeros((count, width), dtype="u1")
        for place, (codec, size) in enumerate(node.parts):
            found[:, place] = np.frombuffer(self._content(size, codec, count), dtype="u1")
        return found

    def texts(self, node: nodes.Node, count: int, most: int) -> list[bytes]:
        """Return so many texts, of at most so many bytes together."""
        if not isinstance(node, nodes.Texts) or node.total > most:
            raise refused("has texts that are not those of its header, or too long for limit=")
        whole = bytes(codecs.decompress(self.take(node.size), node.form, node.total))
        lengths = restore(node.lengths, count, np.dtype("<i8"), self)
        if len(lengths) and (int(lengths.min()) < 0 or int(lengths.max()) > node.total):
            raise refused("has texts of impossible lengths")
        ends = np.cumsum(lengths).tolist()
        if (ends[-1] if ends else 0) != node.total:
            raise refused("has texts of other lengths than declared")
        return [whole[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    def _written(self, node: nodes.Digits, count: int, dtype: np.dtype[np.generic]) -> Array:
        if node.total > count * _LONGEST:
            raise refused("has floats of too many digits")
        text = bytes(codecs.decompress(self.take(node.size), node.form, node.total))
        if text.count(b",") != count - 1:
            raise refused("has another number of floats than declared")
        return as_read(text, dtype)

    def _numbers(self, node: nodes.Pco, count: int, dtype: np.dtype[np.generic]) -> Array:
        pcodec = _pcodec()
        found = np.empty(count, dtype=dtype)
        try:
            progress = pcodec.standalone.simple_decompress_into(bytes(self.take(node.size)), found)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of Rust is not an Exception
            raise refused(f"has a column that pcodec cannot read ({error})") from error
        if progress.n_processed != count or not progress.finished:
            raise refused("has a column of another length than declared")
        return found


def frame(header: bytes, columns: bytes) -> bytes:
    """Return a small component.

    Args:
        header: What it is, in MessagePack.
        columns: The bytes of its columns.
    """
    body = MAGIC + bytes([VERSION]) + varint(len(header)) + header + columns
    return body + zlib.crc32(body).to_bytes(_SUM, "little")


def unframe(data: bytes) -> tuple[memoryview, memoryview]:
    """Return the header and the columns of a small component.

    Raises:
        ModelRefused: It is truncated, altered, or of a later version.
    """
    if len(data) < len(MAGIC) + 2 + _SUM:
        raise refused(f"has only {len(data)} bytes")
    if zlib.crc32(data[:-_SUM]) != int.from_bytes(data[-_SUM:], "little"):
        raise refused("has another checksum than its bytes")
    if data[len(MAGIC)] != VERSION:
        raise refused(f"has version {data[len(MAGIC)]}, and this release reads {VERSION}")
    reader = Reader(data, len(MAGIC) + 1)
    length = reader.varint()
    view = memoryview(data)[reader.position : -_SUM]
    if length > len(view):
        raise refused("has a header that is longer than it is")
    return view[:length], view[length:]


def _pcodec() -> Any:
    try:
        import pcodec
    except ImportError as error:
        raise refused(_PCO) from error
    return pcodec
