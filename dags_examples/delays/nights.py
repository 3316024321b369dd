"""The nights before the story of the delay model, and what came of its predictions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dags_examples.delays.training import FEATURES, TARGET, features
from dags_examples.flights_of_2013 import on_day, source

if TYPE_CHECKING:
    import pandas as pd

    import airflow_sfx as sfx
    from airflow_sfx.models.model import Model

NIGHT, BEFORE, AFTER = "2013-03-06", "2013-03-05", "2013-03-07"
"""A night of a gale; the calm one before, whose weather is delivered again; and the one after."""


def partition(night: str) -> str:
    """Return the partition of a night: ``20130306`` for ``2013-03-06``."""
    return night.replace("-", "")


def days(first: str, last: str) -> list[str]:
    """Return the days from one to another."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [str(start + timedelta(days=n)) for n in range((end - start).days + 1)]


def window(night: str, nights: int = 7) -> list[str]:
    """Return the partitions of the nights that the model of a night is trained on."""
    last = date.fromisoformat(night)
    return [partition(str(last - timedelta(days=n))) for n in range(nights)]


def load_history(warehouse: sfx.Warehouse) -> None:
    """Store the features of January, and of the six nights before `NIGHT`."""
    import pandas as pd

    flights, weather = source("flights"), source("weather")
    known = [*days("2013-01-01", "2013-01-31"), *days("2013-02-28", BEFORE)]
    frames = (
        features(on_day(flights, day), on_day(weather, day)).assign(date=partition(day))
        for day in known
    )
    warehouse.store_dataframe(
        pd.concat(frames),
        "delays",
        "features",
        partition_by=["date"],
        reason="the nights before",
    )


def predicted_and_late(models: Iterable[Model], nights: Iterable[str]) -> pd.DataFrame:
    """Return how many departures of nights were late, and how many were predicted to be.

    Returns:
        A row for each night, with the share that was ``late``, and that which each model predicts.
    """
    import pandas as pd

    flights, weather = source("flights"), source("weather")
    rows = {}
    for night in nights:
        frame = features(on_day(flights, night), on_day(weather, night))
        shares = {
            str(model): float(model.predict_proba(frame[FEATURES])[:, 1].mean()) for model in models
        }
        rows[night] = {"late": float(frame[TARGET].mean()), **shares}
    return pd.DataFrame.from_dict(rows, orient="index")
