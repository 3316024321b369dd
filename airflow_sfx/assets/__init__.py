"""Assets: each publish is an event with the batch's pin, and a DAG that starts on it reads exactly that batch.

Example:
    >>> from airflow_sfx.assets import batch_asset
    >>> batch_asset("sales.sold_items").uri
    'sfx://sales/sold_items'
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
