"""The hook: from Airflow's connections and contexts to a warehouse.

Example:
    >>> from airflow_sfx.hooks import SfxHook
    >>> SfxHook.conn_type
    'sfx'
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
