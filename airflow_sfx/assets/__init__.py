"""Assets: each publish is an event with the batch's pin, and a DAG that starts on it reads exactly that batch.

Example:
    >>> from airflow_sfx.assets import batch_asset
    >>> batch_asset("sales.sold_items").uri
    'sfx://sales/sold_items'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.assets.asset import batch_asset
    from airflow_sfx.assets.consume import missed_pins, pins_from_events
    from airflow_sfx.assets.outside import announce

_HOMES = {
    "announce": "outside",
    "batch_asset": "asset",
    "missed_pins": "consume",
    "pins_from_events": "consume",
}

__all__ = ["announce", "batch_asset", "missed_pins", "pins_from_events"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
