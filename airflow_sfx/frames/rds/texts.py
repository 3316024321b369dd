"""Vectors of texts in RDS: a header of eight bytes before each, and no index.

Where the next text begins is known only once the one before was read. Here, all places of a window
that look like a header are found at once, and kept if each leads to the next.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.rds.values import ASCII, BYTES, CHARSXP, LATIN1, UTF8

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]

HEADER = 8
_WINDOW = 1 << 22
_FEWEST = 256
_FLAGS = (CHARSXP, CHARSXP | ASCII, CHARSXP | UTF8, CHARSXP | LATIN1, CHARSXP | BYTES)
_NA_LENGTH = -1


class Truncated(Exception):
    """The file ends before, or within, a value; or is none of R's."""


def read_texts(data: Bytes, start: int, count: int, order: str) -> tuple[pa.Array[Any], int]:
    """Read texts.

    Args:
        data: The file.
        start: Where the first header begins.
        count: How many texts there are.
        order: ``<`` or ``>``, the order of bytes in integers.

    Returns:
        The texts, null for NA, and where the last one ends.

    Raises:
        Truncated: The file ends before the last text, or other data is there.
        SchemaMismatch: A text is not valid in its encoding.
    """
    if count < 0 or count * HEADER > len(data) - start:
        raise Truncated
    starts = np.empty(count, np.int64)
    flags, lengths = np.empty(count, np.int32), np.empty(count, np.int32)
    done, at, run = 0, start, _FEWEST
    while done < count:
        found, kinds, sizes = _chain(data, at, order)
        if len(found) < _FEWEST and len(found) < count - done:
            # long texts, or contents that look like headers: step by step for a while
            found, kinds, sizes = _steps(data, at, min(run, count - done), order)
            run *= 2
        taken = min(len(found), count - done)
        part = slice(done, done + taken)
        starts[part], flags[part], lengths[part] = found[:taken], kinds[:taken], sizes[:taken]
        done += taken
        at = int(starts[done - 1]) + HEADER + max(int(lengths[done - 1]), 0)
    if at > len(data):
        raise Truncated
    return _array(data[start:at], starts - start, flags, lengths), at


def _chain(data: Bytes, at: int, order: str) -> tuple[Numbers, Any, Any]:
    """Return the headers of a window, from its beginning on, each of which leads to the next."""
    window = data[at : at + _WINDOW]
    if len(window) < HEADER:
        raise Truncated
    last = len(window) - HEADER + 1
    first, fourth = (0, 3) if order == "<" else (3, 0)
    maybe = np.flatnonzero((window[first:][:last] == CHARSXP) & (window[fourth:][:last] == 0))
    heads = np.lib.stride_tricks.as_strided(window, (last, HEADER), (1, 1))[maybe]
    words = np.ascontiguousarray(heads).view(f"{order}i4").astype(np.int32)
    kinds, sizes = words[:, 0], words[:, 1]
    known = np.isin(kinds, _FLAGS) & ((sizes >= 0) | ((sizes == _NA_LENGTH) & (kinds == CHARSXP)))
    places, kinds, sizes = maybe[known].astype(np.int64), kinds[known], sizes[known]
    if not len(places) or places[0] != 0:
        raise Truncated
    ends = places + HEADER + np.maximum(sizes, 0)
    broken = np.flatnonzero(ends[:-1] != places[1:])
    kept = int(broken[0]) + 1 if len(broken) else len(places)
    return at + places[:kept], kinds[:kept], sizes[:kept]


def _steps(data: Bytes, at: int, count: int, order: str) -> tuple[Numbers, Any, Any]:
    """Read headers one after the other."""
    word: Literal["little", "big"] = "little" if order == "<" else "big"
    found, view = [], data.data
    for _ in range(count):
        head = view[at : at + HEADER]
        if len(head) < HEADER:
            raise Truncated
        kind = int.from_bytes(head[:4], word, signed=True)
        size = int.from_bytes(head[4:], word, signed=True)
        if kind not in _FLAGS or size < (_NA_LENGTH if kind == CHARSXP else 0):
            raise Truncated
        found.append((at, kind, size))
        at += HEADER + max(size, 0)
    places, kinds, sizes = np.array(found, np.int64).reshape(-1, 3).T
    return places, kinds.astype(np.int32), sizes.astype(np.int32)


def _array(data: Bytes, starts: Numbers, flags: Any, lengths: Any) -> pa.Array[Any]:
    """Return the texts between the headers as an Arrow array."""
    if (flags == (CHARSXP | BYTES)).any():
        raise SchemaMismatch('has texts marked "bytes", which have no encoding')
    content = np.ones(len(data), np.bool_)
    for offset in range(HEADER):
        content[starts + offset] = False
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
    missing = lengths == _NA_LENGTH
    valid = pa.array(~missing).buffers()[1] if missing.any() else None
    buffers = [valid, pa.py_buffer(offsets.data), pa.py_buffer(data[content].data)]
    made: Any = pa.Array.from_buffers(pa.large_binary(), len(starts), buffers)
    latin = np.flatnonzero(flags == (CHARSXP | LATIN1))
    if len(latin):
        texts = made.to_pylist()
        for place in latin.tolist():
            texts[place] = texts[place].decode("cp1252", errors="replace").encode()
        made = pa.array(texts, pa.large_binary())
    try:
        return made.cast(pa.large_string())  # type: ignore[no-any-return]
    except pa.ArrowInvalid as error:
        raise SchemaMismatch("has texts that are not valid UTF-8") from error


def written_texts(texts: Any, order: str = "<") -> memoryview:
    """Return texts as RDS has them, each after its header.

    Args:
        texts: An Arrow array of texts.
        order: As for `read_texts`.

    Returns:
        The bytes.

    Example:
        >>> written_texts(pa.array(["a", None])).hex(" ", -4)
        '09800000 01000000 61090000 00ffffff ff'
    """
    made = texts.cast(pa.large_string())
    count = len(made)
    if not count:
        return memoryview(b"")
    missing = made.is_null().to_numpy(zero_copy_only=False)
    _, ends, content = made.buffers()
    offsets = np.frombuffer(ends, np.int64)[made.offset : made.offset + count + 1]
    lengths = np.diff(offsets)
    source = np.frombuffer(content or b"", np.uint8)[offsets[0] : offsets[-1]]
    if missing.any():
        hidden = np.where(missing, 0, lengths)
        if int(hidden.sum()) != len(source):  # nulls may have contents
            source = source[np.repeat(~missing, lengths)]
        lengths = hidden
    heads = np.empty((count, 2), f"{order}i4")
    heads[:, 0] = np.where(missing, CHARSXP, CHARSXP | UTF8)
    heads[:, 1] = np.where(missing, _NA_LENGTH, lengths)
    starts = np.zeros(count, np.int64)
    np.cumsum(lengths[:-1] + HEADER, out=starts[1:])
    out = np.empty(count * HEADER + len(source), np.uint8)
    is_content = np.ones(len(out), np.bool_)
    for offset, column in enumerate(heads.view(np.uint8).reshape(count, HEADER).T):
        is_content[starts + offset] = False
        out[starts + offset] = column
    out[is_content] = source
    return out.data
