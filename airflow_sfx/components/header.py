"""What is stored of a packed component beside its columns."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from airflow_sfx.components.columns import nodes
from airflow_sfx.components.columns.restore import DEEPEST, refused
from airflow_sfx.components.containers import parquet
from airflow_sfx.components.kinds import arrays, json_values, maps, sparse, tables

WHOLE = "packed"
"""The column of a Parquet file whose one value is a component in the small form."""
_KEY, _SUM = "sfx.component/1", "sfx.crc32"
_NO_SUM = "0" * 8
_SUM_AT = re.compile(rb"sfx\.crc32\x18\x08([0-9a-f]{8})")
_FOOTER = 1 << 20  # where the checksum is, from the end

Spec: TypeAlias = (
    arrays.ArraySpec | sparse.SparseSpec | maps.MapSpec | json_values.JsonSpec | tables.TableSpec
)


class Header(msgspec.Struct, array_like=True, frozen=True):
    """What a packed component is.

    Args:
        spec: The kind, and what belongs to it.
        nodes: How each column is made.
        precision: The precision that was asked for; None if the value is exact.
        error: The greatest difference to the value that was packed.
    """

    spec: Spec
    nodes: list[nodes.Node]
    precision: str | None = None
    error: float | None = None

    def members(self) -> tuple[object, ...]:
        """Return what is stored."""
        whole = (self.spec, self.nodes, self.precision, self.error)
        return whole[:2] if self.precision is None else whole


_OF_SMALL, _OF_PARQUET = msgspec.msgpack.Decoder(Header), msgspec.json.Decoder(Header)


def encode(header: Header) -> bytes:
    """Return a header in MessagePack, for the small form."""
    return msgspec.msgpack.encode(header.members())


def metadata(header: Header) -> dict[str, str]:
    """Return what the footer of a Parquet file says about it, with no checksum yet."""
    return {_KEY: msgspec.json.encode(header.members()).decode(), _SUM: _NO_SUM}


def decode(data: bytes | memoryview) -> Header:
    """Return the header of the small form.

    Raises:
        ModelRefused: It is not one.
    """
    return _decoded(data, _OF_SMALL)


def of_metadata(pairs: Mapping[str, bytes]) -> Header:
    """Return the header that the footer of a Parquet file has.

    Raises:
        ModelRefused: It is not one.
    """
    if _KEY not in pairs:
        raise refused("is a Parquet file of another program, or of a later version")
    return _decoded(pairs[_KEY], _OF_PARQUET)


def _decoded(
    data: bytes | memoryview,
    decoder: msgspec.json.Decoder[Header] | msgspec.msgpack.Decoder[Header],
) -> Header:
    try:
        header = decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise refused(f"has a header that is not one ({error})") from error
    level = header.nodes
    for _ in range(DEEPEST):
        level = [one for node in level for one in nodes.within(node)]
    if level:
        raise refused("has steps within steps to no end")
    return header


def wrapped(packed: bytes) -> bytes:
    """Return a component in the small form as the one value of a Parquet file."""
    (chunk,) = parquet.ParquetLeaves(hard=True).blob(packed, WHOLE).chunks
    return parquet.write([chunk], 1, {}) if isinstance(chunk, parquet.Chunk) else b""


def sealed(data: bytes) -> bytes:
    """Return a Parquet file with the checksum of its other bytes in its footer."""
    place = _place_of_sum(data)
    return data[:place] + f"{zlib.crc32(data):08x}".encode() + data[place + len(_NO_SUM) :]


def check_sum(data: bytes) -> None:
    """Raise an error unless a Parquet file has the checksum of its bytes.

    Raises:
        ModelRefused: It has another one, or none.
    """
    place = _place_of_sum(data)
    blank = data[:place] + _NO_SUM.encode() + data[place + len(_NO_SUM) :]
    if f"{zlib.crc32(blank):08x}".encode() != data[place : place + len(_NO_SUM)]:
        raise refused("has another checksum than its bytes")


def _place_of_sum(data: bytes) -> int:
    found = list(_SUM_AT.finditer(data, max(0, len(data) - _FOOTER)))
    if not found:
        raise refused("is a Parquet file without a checksum")
    return found[-1].start(1)
