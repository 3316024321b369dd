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


def main() -> None:
    results = json.loads((HERE / "results.json").read_text())["results"]
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
