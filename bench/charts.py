"""Draw the charts of ``bench/results.json``.

``make bench`` runs this module with the Python of ``.venv-peers``, which has matplotlib.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
OURS = "airflow_sfx"
CHARTS = {
    "stack-one.png": ("S3 + Hive: store 2,000,000 rows", "S3 + Hive: load 2,000,000 rows"),
    "stack-many.png": ("S3 + Hive: store 365 partitions", "S3 + Hive: load 365 partitions"),
    "stack-commit.png": (
        "S3 + Hive: one-partition commit of 10 kB",
        "S3 + Hive: pins of 10,000 partitions",
    ),
}


COMPONENTS = {
    "component: sparse 0/1 matrix, 2,500 × 2,000": "sparse 0/1 matrix",
    "component: map of 52,000 ids to scores": "map of 52,000 IDs",
    "component: vector of 500 flags and 110 weights": "vector of 610 numbers",
}
GENERAL = "zlib + JSON"


def main() -> None:
    results = json.loads((HERE / "results.json").read_text())["results"]
    draw_seconds(results)
    draw_sizes(results)


def draw_sizes(results: dict) -> None:
    """Draw the bytes of components, a panel each, as they differ a thousandfold."""
    of_models = results["components of models, bytes"]
    panels = {
        name: {one: results[key]["bytes"][one] for one in (OURS, GENERAL)}
        for key, name in COMPONENTS.items()
    }
    panels[f"{of_models['components']} components of models"] = {
        OURS: of_models["sum"],
        "best of zlib, zstd,\nsafetensors": of_models["sum of the smallest general format"],
        GENERAL: of_models["sum of zlib + JSON"],
    }
    figure, axes = plt.subplots(2, 2, figsize=(10, 4.2))
    for axis, (title, sizes) in zip(axes.flat, panels.items(), strict=True):
        names = sorted(sizes, key=sizes.get, reverse=True)
        bars = axis.barh(
            names,
            [sizes[one] / 1000 for one in names],
            color=["#1f77b4" if one == OURS else "#bbbbbb" for one in names],
        )
        axis.bar_label(bars, fmt="%.4g kB", padding=3)
        axis.set_title(title, fontsize=10)
        axis.margins(x=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(HERE / "pictures" / "component-sizes.png", dpi=110)
    plt.close(figure)


def draw_seconds(results: dict) -> None:
    for name, panels in CHARTS.items():
        found = [panel for panel in panels if panel in results]
        figure, axes = plt.subplots(1, len(found), figsize=(6 * len(found), 3.2), squeeze=False)
        for axis, panel in zip(axes[0], found, strict=True):
            seconds = results[panel]["seconds"]
            names = sorted(seconds, key=seconds.get, reverse=True)
            colours = ["#1f77b4" if one == OURS else "#bbbbbb" for one in names]
            bars = axis.barh(names, [seconds[one] for one in names], color=colours)
            axis.bar_label(bars, fmt="%.2f s", padding=3)
            axis.set_title(panel.removeprefix("S3 + Hive: "), fontsize=10)
            axis.margins(x=0.2)
            axis.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(HERE / "pictures" / name, dpi=110)
        plt.close(figure)


if __name__ == "__main__":
    main()
