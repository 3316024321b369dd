"""How the model of late departures is trained: plain functions.

The artifact of each version has this file, and `sfx model reproduce` calls `train` from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

NUMBERS = ["hour", "distance", "wind_speed", "precip", "visib"]
CATEGORIES = ["carrier", "origin"]
FEATURES = [*NUMBERS, *CATEGORIES]
TARGET = "late"
KEY = ["time_hour", "carrier", "flight"]
JANUARY = [f"201301{day:02d}" for day in range(1, 32)]
"""Nights that every version is measured on."""
LATE = 15
"""From how many minutes on a departure is late."""
CARD = {
    "purpose": "How likely a departure from New York is more than 15 minutes late, for planning"
    " the desks of the coming night.",
    "owner": "Data team of the airport, delays@example.org",
    "limits": "Learned from seven nights: of weather that they did not have, such as snow, it knows"
    " nothing. Cancelled flights are left out. Not for decisions about single passengers.",
    "retrain": "Each night. Before that if auc_january falls below 0.65.",
}
"""What only people can say."""


def known(departures: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of each departure before it leaves."""
    measured = weather[["origin", "time_hour", "wind_speed", "precip", "visib"]]
    joined = departures.merge(measured, on=["origin", "time_hour"], validate="many_to_one")
    return joined.dropna(subset=NUMBERS)[[*KEY, "origin", *NUMBERS]].reset_index(drop=True)


def features(departures: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Return what was known of each departure, and whether it was late."""
    left = departures.dropna(subset=["dep_delay"])  # a cancelled flight never left
    late = left.assign(**{TARGET: left["dep_delay"] > LATE})[[*KEY, "origin", TARGET]]
    return known(left, weather).merge(late, on=[*KEY, "origin"], validate="one_to_one")


def train(
    frames: Mapping[str, pd.DataFrame], params: Mapping[str, Any]
) -> tuple[Pipeline, dict[str, float]]:
    """Return a model, and how well it ranks flights that it has not seen.

    Args:
        frames: ``train``, of whose flights every fifth is kept for the metric ``auc``, and
            ``january``, on which ``auc_january`` is measured.
        params: ``C``, how freely the model follows the data.
    """
    nights = frames["train"]
    kept = nights["flight"] % 5 == 0
    model = untrained(params["C"]).fit(nights.loc[~kept, FEATURES], nights.loc[~kept, TARGET])
    return model, {
        "auc": auc(model, nights[kept]),
        "auc_january": auc(model, frames["january"]),
    }


def untrained(strength: float) -> Pipeline:
    """Return a logistic regression of the features."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = make_column_transformer(
        (StandardScaler(), NUMBERS), (OneHotEncoder(handle_unknown="ignore"), CATEGORIES)
    )
    return make_pipeline(columns, LogisticRegression(C=strength, max_iter=500))


def auc(model: Pipeline, flights: pd.DataFrame) -> float:
    """Return how likely a late flight is ranked above one that was not."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(flights[TARGET], model.predict_proba(flights[FEATURES])[:, 1]))
