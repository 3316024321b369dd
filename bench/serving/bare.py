"""The bare server that ours is measured beside: FastAPI, uvicorn and onnxruntime, nothing else."""

from __future__ import annotations

import os
import sys
import zipfile
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request

NUMPY = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}


def create(path: str) -> FastAPI:
    with zipfile.ZipFile(path) as archive:
        content = archive.read("model/model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    inputs = [(one.name, NUMPY.get(one.type, np.object_)) for one in session.get_inputs()]
    names = os.environ["COLUMNS_OF_MODEL"].split(",")
    matrix = len(inputs) == 1
    outputs = [one.name for one in session.get_outputs()]
    app = FastAPI()

    @app.get("/readyz")
    async def readyz() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/predict")
    async def predict(request: Request) -> dict[str, Any]:
        rows = await request.json()
        if matrix:
            name, kind = inputs[0]
            feed = {name: np.array([[row[one] for one in names] for row in rows], dtype=kind)}
        else:
            feed = {
                name: np.array([row[name] for row in rows], dtype=kind).reshape(-1, 1)
                for name, kind in inputs
            }
        labels, probabilities = session.run(outputs, feed)
        return {
            "predictions": [
                {"prediction": label, "probability": probability}
                for label, probability in zip(labels.tolist(), probabilities.tolist(), strict=True)
            ]
        }

    return app


if __name__ == "__main__":
    uvicorn.run(create(sys.argv[1]), port=int(sys.argv[2]), log_level="warning", access_log=False)
