"""Which figures a server has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_sfx.serving.metrics import Family, Labels, Metrics

if TYPE_CHECKING:
    from airflow_sfx.serving.background import Background
    from airflow_sfx.serving.follower import Follower

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DIFFERENCES = (0.0, 1e-9, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
_FAMILIES = {
    "requests": Family("counter", "Requests by path and status."),
    "seconds": Family("histogram", "How long /predict took, in seconds.", _SECONDS),
    "rows": Family("counter", "Rows that were predicted, by version."),
    "calls": Family("counter", "Calls of a function, each with the rows of waiting requests."),
    "joined": Family("counter", "Requests that were answered by calls of a function."),
    "model": Family("gauge", "1 for the version that is served."),
    "swaps": Family("counter", "How often another version was swapped in."),
    "trouble": Family("gauge", "1 while the newest version of the alias is not served."),
    "looked_seconds": Family("gauge", "How long ago the alias was looked up, in seconds."),
    "shadow_rows": Family("counter", "Rows that the shadow predicted."),
    "shadow_failed_rows": Family("counter", "Rows that the shadow could not predict."),
    "shadow_changed_classes": Family("counter", "Rows for which the shadow predicts a class else."),
    "shadow_difference": Family(
        "histogram",
        "Difference of the shadow's number, relative to numbers above 1.",
        _DIFFERENCES,
    ),
    "left_out": Family("counter", "Requests that the shadow or the samples left out, by thread."),
    "sampled_rows": Family("counter", "Rows with predictions that were written back."),
    "sample_failures": Family("counter", "Samples that could not be written back yet."),
}


def server_metrics(follower: Follower, background: Sequence[Background]) -> Metrics:
    """Return the figures of a server.

    Args:
        follower: The version that it serves.
        background: What it does with answered requests; more may be added later.
    """
    metrics = Metrics(_FAMILIES)
    none: Labels = ()

    def served() -> dict[Labels, float]:
        labels: Labels = (("model", follower.served.name), ("source", follower.source.name))
        return {labels: 1.0}

    metrics.compute("model", served)
    metrics.compute("swaps", lambda: {none: follower.swaps})
    metrics.compute("trouble", lambda: {none: 0.0 if follower.trouble is None else 1.0})
    metrics.compute("looked_seconds", lambda: {none: time.monotonic() - follower.looked})
    metrics.compute(
        "left_out", lambda: {(("by", type(one).__name__),): one.left_out for one in background}
    )
    return metrics
