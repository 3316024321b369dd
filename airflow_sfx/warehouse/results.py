"""Results that show themselves as a table in a notebook, and become a DataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from airflow_sfx.core.errors import counted
from airflow_sfx.core.pin import BatchPin

if TYPE_CHECKING:
    import pandas as pd

_Item = TypeVar("_Item")
_SHOWN = 60
"""How many rows a notebook shows; `to_pandas` has all."""


class Tabular:
    """Base of results: `to_pandas`, and a table in a notebook."""

    __slots__ = ()

    def table_rows(self) -> Sequence[object]:
        """Return the values that are the rows of the table; by default, the result itself."""
        return (self,)

    def to_pandas(self) -> pd.DataFrame:
        """Return the result as a DataFrame with a row for each of its parts.

        Members of members are columns such as ``producer.dag_id``. Pins and collections are text.

        Returns:
            The DataFrame.
        """
        import pandas as pd

        return pd.DataFrame([dict(_cells(row)) for row in self.table_rows()])

    def _repr_html_(self) -> str:
        """Return the table for a notebook, without columns that have no value."""
        frame = self.to_pandas().dropna(axis="columns", how="all")
        count = len(frame)
        shown = frame.head(_SHOWN).to_html(index=False, na_rep="", border=0) if count else ""
        more = f", of which {_SHOWN} are shown" if count > _SHOWN else ""
        return f"<p>{counted(count, 'row')}{more}</p>{shown}"


class Rows(list[_Item], Tabular):
    """A list of results.

    Example:
        >>> from airflow_sfx.core.table import TableRef
        >>> Rows([TableRef("shop", "orders")]).to_pandas().to_dict("list")
        {'database': ['shop'], 'table': ['orders']}
    """

    __slots__ = ()

    def table_rows(self) -> Sequence[object]:
        """Return the results."""
        return self


def _cells(row: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the columns of a row; members that are records become columns of their own."""
    if not is_dataclass(row):
        yield prefix.rstrip(".") or "value", _cell(row)
        return
    for field in fields(row):
        name, value = f"{prefix}{field.name}", getattr(row, field.name)
        if is_dataclass(value) and not isinstance(value, BatchPin):
            yield from _cells(value, f"{name}.")
        else:
            yield name, _cell(value)


def _cell(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_cell(member)}" for key, member in value.items()) or None
    if isinstance(value, (list, tuple, AbstractSet)):
        return ", ".join(str(_cell(member)) for member in value) or None
    return str(value) if isinstance(value, BatchPin) else value
