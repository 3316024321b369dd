"""Assets: each publish is an event with the pin of the batch.

Example:
    >>> from airflow_sfx.assets import batch_asset
    >>> batch_asset("sales.sold_items").uri
    'sfx://sales/sold_items'
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
