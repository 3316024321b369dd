"""Terms of linear models: columns, levels, functions, and products of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.models.flavours.base import Array

_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "log": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "exp": np.exp,
}
_CALL = re.compile(r"(\w+)\((.+)\)")
_POWER = re.compile(r"(?:I\()?(.+?)\s*(?:\^|\*\*)\s*(\d+)\)?")
_LEVEL = re.compile(r"(.+?)\[(.*)\]")
_COLONS = re.compile(r":(?![^\[]*\])")
"""What divides the factors of a term; a level, such as ``at[10:30]``, may have it too."""


@dataclass(frozen=True, slots=True)
class TermFactor:
    """One factor of a term.

    Args:
        column: The column.
        level: The level that it is 1 for, and 0 for the others; None for numbers.
        function: The function of the numbers, or empty.
        power: The power of the numbers.
    """

    column: str
    level: str | None = None
    function: str = ""
    power: int = 1

    def of(self, values: Array) -> Array:
        """Return the factor of a column's numbers."""
        if self.function:
            return _FUNCTIONS[self.function](values)
        return values if self.power == 1 else values**self.power


def factors_of(term: str, levels: Mapping[str, Sequence[str]]) -> tuple[TermFactor, ...]:
    """Return the factors of a term.

    Args:
        term: The term, such as ``carrier[UA]:log(distance)``.
        levels: The levels of each column that has some.

    Raises:
        InvalidName: A factor is unknown.

    Example:
        >>> [one.column for one in factors_of("carrier[UA]:log(distance)", {})]
        ['carrier', 'distance']
    """
    return tuple(_factor(one.strip(), levels) for one in _COLONS.split(term))


def _factor(text: str, levels: Mapping[str, Sequence[str]]) -> TermFactor:
    if found := _LEVEL.fullmatch(text):
        return TermFactor(found[1], level=found[2].removeprefix("T."))
    for column, some in levels.items():
        if text.startswith(column) and text.removeprefix(column) in some:
            return TermFactor(column, level=text.removeprefix(column))
    if (found := _CALL.fullmatch(text)) and found[1] in _FUNCTIONS:
        return TermFactor(found[2].strip(), function=found[1])
    if found := _POWER.fullmatch(text):
        return TermFactor(found[1].strip(), power=int(found[2]))
    if "(" in text or not text:
        raise InvalidName(
            f"the term {text!r:.80} is unknown: use a column, a level as carrier[UA], one of"
            f" {', '.join(_FUNCTIONS)} of a column, a power as distance^2, or products with ':'"
        )
    return TermFactor(text)
