"""The bare server that a function's is measured beside: FastAPI with typed rows, and pandas."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

from bench.serving.online import CARRIERS, late

_CATEGORIES = pd.CategoricalDtype(CARRIERS)


class Row(BaseModel):
    """A row, with the checks that the columns of the function declare."""

    distance: Annotated[float, Field(strict=True)] | None
    carrier: Literal["AA", "UA", "WN"] | None
    hour: Annotated[int, Field(strict=True, ge=-(1 << 31), lt=1 << 31)] | None


app = FastAPI()


@app.get("/readyz")
async def readyz() -> dict[str, bool]:
    return {"ready": True}


@app.post("/predict")
async def predict(rows: list[Row]) -> dict[str, Any]:
    frame = pd.DataFrame(
        {
            "distance": np.array([row.distance for row in rows], dtype="float64"),
            "carrier": pd.Categorical([row.carrier for row in rows], dtype=_CATEGORIES),
            "hour": pd.array([row.hour for row in rows], dtype="Int32"),
        }
    )
    found = late.function(frame)["late"].tolist()
    return {"predictions": [{"late": None if np.isnan(one) else one} for one in found]}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
