"""Finds out whether an ONNX graph reads other files, without the onnx package.

An ONNX file is a protocol buffer. A tensor with external data names a file, by the key
``location``; a runtime opens that file, wherever it is.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TENSOR = "tensor"
_EXTERNAL_DATA = 13
_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: _TENSOR, 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        5: _TENSOR,
        6: "graph",
        10: _TENSOR,
        11: "graph",
        22: "sparse",
        23: "sparse",
    },
    "sparse": {1: _TENSOR, 2: _TENSOR},
    _TENSOR: {},
}
"""By message, the numbers of its fields that lead to tensors."""
_DEEPEST = 64


def has_external_data(content: bytes) -> bool:
    r"""Return whether a tensor of an ONNX file is in another file.

    Args:
        content: The ONNX file.

    Raises:
        ValueError: It is not an ONNX file.

    Example:
        >>> has_external_data(b"\x08\x09\x3a\x00")
        False
    """
    if all(_FIELDS["model"].get(number) != "graph" for number, _ in _fields(memoryview(content))):
        raise ValueError("it has no graph")
    # The walk looks at every number of a large forest, and is saved where no file can be named.
    return b"location" in content and _reads_files(memoryview(content), "model", 0)


def _reads_files(message: memoryview, kind: str, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("its graphs are nested too deeply")
    for number, value in _fields(message):
        if kind == _TENSOR and number == _EXTERNAL_DATA:
            return True
        inner = _FIELDS[kind].get(number)
        if inner and value is not None and _reads_files(value, inner, depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Yield the number of each field, and its bytes if it has a length."""
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        wire = tag & 7
        value = None
        if wire == _VARINT:
            _, place = _varint(message, place)
        elif wire == _BYTES:
            size, place = _varint(message, place)
            value = message[place : place + size]
            place += size
        elif wire in (_FIXED64, _FIXED32):
            place += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"it has a field of the kind {wire}")
        if place > end:
            raise ValueError("it is truncated")
        yield tag >> 3, value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:  # noqa: PLR2004  64 bits
            raise ValueError("it is truncated")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004  the last byte of a number
            return value, place
