"""Which rows a model can score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.models.schema.signature import Signature

if TYPE_CHECKING:
    import pandas as pd


def fits(frame: pd.DataFrame, signature: Signature) -> Any:
    """Return which rows have no value that a model refuses.

    A model refuses missing values in a column that had none in its training rows, and there other
    categories, too.

    Args:
        frame: The rows.
        signature: What the model takes.

    Returns:
        A boolean for each row.

    Raises:
        SchemaMismatch: A column is missing.
    """
    accepted = np.ones(len(frame), dtype=bool)
    for one in signature.inputs:
        if one.name not in frame.columns:
            raise SchemaMismatch(
                f"the rows have no column {one.name!r:.80}, which the model takes: it takes"
                f" {', '.join(signature.names)}"
            )
        values = frame[one.name]
        if not one.nullable:
            accepted &= values.notna().to_numpy()
            if one.categories is not None:
                accepted &= values.isin(list(one.categories)).to_numpy()
    return accepted
