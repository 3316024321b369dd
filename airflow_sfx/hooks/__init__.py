"""Where Airflow's connections and task contexts become a warehouse and a producer.

Example:
    >>> from airflow_sfx.hooks import SfxHook
    >>> SfxHook.conn_type
    'sfx'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx._lazy import from_homes

if TYPE_CHECKING:
    from airflow_sfx.hooks.sfx import SfxHook

__all__ = ["SfxHook"]

__getattr__ = from_homes(__name__, {f"{__name__}.sfx": __all__})
