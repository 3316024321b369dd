"""The steps by which a column was prepared, as they are stored with it.

A node says how a column of so many values is made: from bytes, or from other columns. Nodes are
stored as arrays that begin with a letter: in MessagePack in a small component, in JSON in the
footer of a Parquet file. See docs/components.md for the format.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 48))]
Long = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Form = Annotated[int, msgspec.Meta(ge=0, le=5)]
Codec = Annotated[int, msgspec.Meta(ge=0, le=2)]


class Ints(msgspec.Struct, tag="i", array_like=True, frozen=True):
    """Integers, less the least of them, in the bits that the greatest needs.

    Args:
        width: The bits of each, from 0 to 64.
        low: What is added to each.
        form: The codec (0 stored, 1 deflate, 2 zstd), plus 3 if each takes whole bytes.
        size: The stored bytes.
    """

    width: Annotated[int, msgspec.Meta(ge=0, le=64)]
    low: Long
    form: Form
    size: Count


class Raw(msgspec.Struct, tag="r", array_like=True, frozen=True):
    """Values as they are in memory, little endian.

    Args:
        form: The codec.
        size: The stored bytes.
    """

    form: Codec
    size: Count


class Planes(msgspec.Struct, tag="b", array_like=True, frozen=True):
    """Values split by bytes: all first bytes, then all second bytes, and so on.

    Args:
        low: What is added to each integer; 0 for floats.
        parts: The codec and the stored bytes of the first bytes, of the second, and so on.
    """

    low: Long
    parts: Annotated[list[tuple[Codec, Count]], msgspec.Meta(max_length=8)]


class Column(msgspec.Struct, tag="c", array_like=True, frozen=True):
    """The values of a column of the Parquet file.

    Args:
        name: The column's name.
        low: What is added to each integer.
    """

    name: str
    low: Long = 0


class Pco(msgspec.Struct, tag="x", array_like=True, frozen=True):
    """Numbers in a file of pcodec, which the extra ``pco`` installs.

    Args:
        size: The stored bytes.
    """

    size: Count


class Texts(msgspec.Struct, tag="t", array_like=True, frozen=True):
    """Texts in UTF-8, one after the other.

    Args:
        total: The bytes of all texts.
        form: The codec.
        size: The stored bytes.
        lengths: The bytes of each text.
    """

    total: Count
    form: Codec
    size: Count
    lengths: Node


class Digits(msgspec.Struct, tag="w", array_like=True, frozen=True):
    """Floats as they are written, in the fewest digits, with commas between them.

    Args:
        total: The bytes of the text.
        form: The codec.
        size: The stored bytes.
    """

    total: Count
    form: Codec
    size: Count


class Decimal(msgspec.Struct, tag="d", array_like=True, frozen=True):
    """Floats that are integers over a power of ten.

    Args:
        places: The power.
        child: The integers.
    """

    places: Annotated[int, msgspec.Meta(ge=0, le=18)]
    child: Node


class Step(msgspec.Struct, tag="q", array_like=True, frozen=True):
    """Floats that are integers times a step, by a precision that was asked for.

    Args:
        step: The step.
        child: The integers.
    """

    step: float
    child: Node


class Narrow(msgspec.Struct, tag="n", array_like=True, frozen=True):
    """Floats of 8 bytes that floats of 4 or 2 bytes hold exactly.

    Args:
        bytes: The bytes of the narrow floats.
        child: The narrow floats.
    """

    bytes: Annotated[int, msgspec.Meta(ge=2, le=4)]
    child: Node


class Patched(msgspec.Struct, tag="p", array_like=True, frozen=True):
    """A column, but for a few values.

    Args:
        positions: The positions of those values.
        items: Their bytes, as integers.
        child: The column.
    """

    positions: list[Count]
    items: list[Long]
    child: Node


class Gaps(msgspec.Struct, tag="g", array_like=True, frozen=True):
    """Integers, of which the difference to the one before is kept.

    Args:
        start: What comes before the first.
        child: The differences.
    """

    start: Long
    child: Node


class Distinct(msgspec.Struct, tag="u", array_like=True, frozen=True):
    """Few distinct values, and which of them each one is.

    Args:
        count: How many are distinct.
        values: The distinct values.
        index: The number of each.
    """

    count: Count
    values: Node
    index: Node


class Sparse(msgspec.Struct, tag="s", array_like=True, frozen=True):
    """A column that is mostly zero.

    Args:
        count: How many values are not zero.
        positions: Where they are.
        values: What they are.
    """

    count: Count
    positions: Node
    values: Node


class Pieces(msgspec.Struct, tag="m", array_like=True, frozen=True):
    """Two parts that are prepared each on its own.

    Args:
        count: The length of the first.
        first: The first part.
        second: The second part.
    """

    count: Count
    first: Node
    second: Node


Node: TypeAlias = (
    Ints
    | Raw
    | Planes
    | Column
    | Pco
    | Texts
    | Digits
    | Decimal
    | Step
    | Narrow
    | Patched
    | Gaps
    | Distinct
    | Sparse
    | Pieces
)
"""Any step."""


def within(node: Node) -> list[Node]:
    """Return the steps that a step has.

    Example:
        >>> within(Gaps(0, Column("key_gap")))
        [Column(name='key_gap', low=0)]
    """
    members = (getattr(node, name) for name in node.__struct_fields__)
    return [one for one in members if isinstance(one, Node)]
