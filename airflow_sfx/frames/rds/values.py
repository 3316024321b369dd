"""Values of R, and the constants of its file format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SPEC = b"airflow_sfx.r"
"""The key of what R has beyond Arrow, in the metadata of a field, and of a schema for the frame."""

NULL, SYMBOL, PAIRS, CHARSXP = 254, 1, 2, 9
LOGICAL, INTEGER, DOUBLE, CHARACTER, LIST, RAW = 10, 13, 14, 16, 19, 24
REFERENCE = 255
IS_OBJECT, HAS_ATTRIBUTES, HAS_TAG = 1 << 8, 1 << 9, 1 << 10
BYTES, LATIN1, UTF8, ASCII = 1 << 13, 1 << 14, 1 << 15, 1 << 18
"""The flags of a text's encoding."""

NA_INTEGER = -(2**31)
NA_INTEGER64 = -(2**63)
NA_LOW_WORD = 1954
NA_REAL = np.array([0x7FF00000000007A2], np.uint64).view(np.float64)[0]

NAMES = {
    LOGICAL: "logical",
    INTEGER: "integer",
    DOUBLE: "double",
    CHARACTER: "character",
    LIST: "list",
    RAW: "raw",
    NULL: "NULL",
}
"""What R calls the kinds of vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A vector of R: its values and attributes.

    Args:
        kind: The number of its type, a key of `NAMES`.
        values: An array of numbers, an Arrow array of texts, or a list of vectors.
        attributes: Its attributes by name.
    """

    kind: int
    values: Any = ()
    attributes: Mapping[str, Vector] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def texts(self, attribute: str) -> list[str | None]:
        """Return an attribute that is a vector of texts; empty if it is none."""
        found = self.attributes.get(attribute)
        if found is None or found.kind != CHARACTER:
            return []
        listed: list[str | None] = found.values.to_pylist()
        return listed

    @property
    def classes(self) -> tuple[str | None, ...]:
        """Its classes."""
        return tuple(self.texts("class"))


def characters(*texts: str | None) -> Vector:
    """Return a vector of texts.

    Example:
        >>> len(characters("a", None))
        2
    """
    return Vector(CHARACTER, pa.array(texts, pa.large_string()))


def integers(*numbers: int) -> Vector:
    """Return a vector of integers."""
    return Vector(INTEGER, np.array(numbers, np.int32))


def is_na(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which doubles are R's NA, which is a NaN of its own.

    Example:
        >>> is_na(np.array([NA_REAL, np.nan, 1.0])).tolist()
        [True, False, False]
    """
    low = np.ascontiguousarray(values).view(np.uint64) & np.uint64(0xFFFFFFFF)
    found: npt.NDArray[np.bool_] = np.isnan(values) & (low == NA_LOW_WORD)
    return found
