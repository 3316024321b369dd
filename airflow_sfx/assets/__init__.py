"""Assets: each publish is an event with the batch's pin, and a DAG that starts on it reads exactly that batch.

Example:
    >>> from airflow_sfx.assets import batch_asset
    >>> batch_asset("sales.sold_items").uri
    'sfx://sales/sold_items'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx._lazy import from_homes

if TYPE_CHECKING:
    from airflow_sfx.assets.announce import announce
    from airflow_sfx.assets.asset import batch_asset
    from airflow_sfx.assets.consumers import missed_pins, pins_from_events

_HOMES = {
    f"{__name__}.asset": ("batch_asset",),
    f"{__name__}.consumers": ("missed_pins", "pins_from_events"),
    f"{__name__}.announce": ("announce",),
}

__all__ = ["announce", "batch_asset", "missed_pins", "pins_from_events"]

__getattr__ = from_homes(__name__, _HOMES)
