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
from airflow_sfx.components.columns.prepare import Packed, Task, prepare
from airflow_sfx.components.columns.restore import refused, restore
from airflow_sfx.components.containers.thrift import Reader, varint

MAGIC = b"SFXC"
VERSION = 1
_SUM = 4
_BITS, _BYTES, _PLANES = 0, 1, 2
_PCO = "pcodec is not installed: pip install 'airflow-sfx[pco]'"


class SmallLeaves:
    """Store columns as bytes.

    Args:
        pcodec: Whether pcodec may be used.
    """

    nested = True

    def __init__(self, *, pcodec: bool = False) -> None:
        self._pcodec = pcodec

    def integers(self, values: Array, name: str, places: int | None = None) -> Packed:
        """Store integers in the layout that is smallest."""
        del name, places
        low = int(values.min()) if len(values) else 0
        width = bits.width_of(int(values.max()) - low) if len(values) else 0
        with np.errstate(over="ignore"):
            rest = values.astype("u8") - np.int64(low).astype("u8")
        found = [(_BITS, *codecs.smallest(bits.pack(rest, width)))]
        bytes_each = (width + 7) // 8
        if width > 1 and width % 8:
            found.append((_BYTES, *codecs.smallest(_whole(rest, bytes_each).tobytes())))
        if bytes_each > 1:
            planes = np.ascontiguousarray(_whole(rest, bytes_each).T).tobytes()
            found.append((_PLANES, *codecs.smallest(planes)))
        layout, codec, data = min(found, key=lambda one: len(one[2]))
        return Packed(nodes.Ints(width, low, 3 * layout + codec, len(data)), (data,), len(data) + 6)

    def items(self, values: Array, name: str) -> Packed:
        """Store floats as they are, or byte by byte."""
        del name
        data = values.tobytes()
        planes = np.ascontiguousarray(values.view("u1").reshape(-1, values.itemsize).T).tobytes()
        found = [
            (layout, *codecs.smallest(one)) for layout, one in ((_BYTES, data), (_PLANES, planes))
        ]
        layout, codec, data = min(found, key=lambda one: len(one[2]))
        return Packed(nodes.Raw(3 * layout + codec, len(data)), (data,), len(data) + 5)

    def texts(self, texts: Sequence[bytes], name: str) -> Packed:
        """Store texts one after the other, and their lengths."""
        del name
        whole = b"".join(texts)
        codec, data = codecs.smallest(whole)
        lengths = prepare(Task(np.array([len(text) for text in texts], dtype="i8"), "", self))
        node = nodes.Texts(len(whole), codec, len(data), lengths.node)
        return Packed(node, (data, *lengths.chunks), len(data) + lengths.size + 8)

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
        if isinstance(node, nodes.Pco):
            return self._numbers(node, count, np.dtype("<i8"))
        if not isinstance(node, nodes.Ints):
            raise refused(f"has {type(node).__name__} where integers must be")
        layout, codec = divmod(node.form, 3)
        bytes_each = (node.width + 7) // 8
        size = bits.size_of(count, node.width) if layout == _BITS else count * bytes_each
        data = codecs.decompress(self.take(node.size), codec, size)
        if layout == _BITS:
            found = bits.unpack(data, count, node.width)
        else:
            shape = (count, bytes_each) if layout == _BYTES else (bytes_each, count)
            each = np.frombuffer(data, dtype="u1").reshape(shape)
            wide = np.zeros((count, 8), dtype="u1")
            wide[:, :bytes_each] = each if layout == _BYTES else each.T
            found = wide.view("<u8")[:, 0]
        with np.errstate(over="ignore"):
            shifted: Array = (found + np.int64(node.low).astype("u8")).astype("i8")
        return shifted

    def items(self, node: nodes.Node, count: int, dtype: np.dtype[np.generic]) -> Array:
        """Return so many floats."""
        if isinstance(node, nodes.Pco):
            return self._numbers(node, count, dtype)
        if not isinstance(node, nodes.Raw) or node.form < 3:  # noqa: PLR2004
            raise refused(f"has {type(node).__name__} where floats must be")
        layout, codec = divmod(node.form, 3)
        size = count * dtype.itemsize
        data = codecs.decompress(self.take(node.size), codec, size)
        if layout == _BYTES:
            return np.frombuffer(data, dtype=dtype).copy()
        planes = np.frombuffer(data, dtype="u1").reshape(dtype.itemsize, count)
        return np.ascontiguousarray(planes.T).reshape(-1).view(dtype)

    def texts(self, node: nodes.Node, count: int, most: int) -> list[bytes]:
        """Return so many texts, of at most so many bytes together."""
        if not isinstance(node, nodes.Texts) or node.total > most or node.form > codecs.ZSTD:
            raise refused("has texts that are not those of its header, or too long for limit=")
        whole = bytes(codecs.decompress(self.take(node.size), node.form, node.total))
        lengths = restore(node.lengths, count, np.dtype("<i8"), self)
        if len(lengths) and (int(lengths.min()) < 0 or int(lengths.max()) > node.total):
            raise refused("has texts of impossible lengths")
        ends = np.cumsum(lengths).tolist()
        if (ends[-1] if ends else 0) != node.total:
            raise refused("has texts of other lengths than declared")
        return [whole[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

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


def _whole(values: Array, bytes_each: int) -> Array:
    found: Array = values.astype("<u8").view("u1").reshape(-1, 8)[:, :bytes_each]
    return found


def _pcodec() -> Any:
    try:
        import pcodec
    except ImportError as error:
        raise refused(_PCO) from error
    return pcodec
