"""What two versions of a model differ in, each trained on all departures of 2013."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import airflow_sfx as sfx
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.registry import ModelRegistry
from dags_examples.flights_of_2013 import source

_KEY = ["year", "month", "day", "carrier", "flight", "origin"]


def of_a_year(folder: Path, runs: int) -> dict[str, object]:
    """Time the comparison of two versions whose batches differ in some rows."""
    warehouse = sfx.connect(f"embedded://{folder}/warehouse")
    registry = ModelRegistry(warehouse)
    before = source("flights")
    after = before.drop(before.index[5::1000])
    after.loc[after.index[::100], "distance"] += 1
    pins = [
        warehouse.store_dataframe(frame, "air", "flights", ["2013"]) for frame in (before, after)
    ]
    versions = [
        registry.save(Coefficients({"distance": slope}), "delays", inputs={"train": pin})
        for slope, pin in zip((0.01, 0.02), pins, strict=True)
    ]
    measured: dict[str, list[tuple[float, float]]] = {"by key": [], "whole rows": []}
    for _ in range(runs):
        for name, keys in (("by key", _KEY), ("whole rows", [])):
            begun, used = time.perf_counter(), time.process_time()
            (found,) = registry.diff(*versions, keys=keys).data
            measured[name].append((time.perf_counter() - begun, time.process_time() - used))
            assert (found.added or 0) - (found.removed or 0) == len(after) - len(before)
    return {
        "model: diff of 336,776 training rows": {
            "rows": [len(before), len(after)],
            "seconds": _medians(measured, 0),
            "processor, seconds": _medians(measured, 1),
            "runs": runs,
        }
    }


def _medians(measured: dict[str, list[tuple[float, float]]], which: int) -> dict[str, float]:
    return {
        name: round(statistics.median(one[which] for one in runs), 2)
        for name, runs in measured.items()
    }
