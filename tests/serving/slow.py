"""A function that answers when a file is there, for tests of a server that waits."""

from __future__ import annotations

import time
from pathlib import Path


def predict(frame, components):
    """Wait if a distance is negative; the golden rows have none."""
    while (frame["distance"] < 0).any() and not Path(components["flag"]["path"]).exists():
        time.sleep(0.01)
    return frame["distance"] * 2
