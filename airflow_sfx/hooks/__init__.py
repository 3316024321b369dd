"""Where Airflow's connections and task contexts become a warehouse and a producer.

Example:
    >>> from airflow_sfx.hooks import SfxHook
    >>> SfxHook.conn_type
    'sfx'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.hooks.sfx import SfxHook

__all__ = ["SfxHook"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.sfx"), name)
