"""The triggers of the sensors, loaded on first use.

Example:
    >>> from airflow_sfx.triggers import BatchPartitionTrigger
    >>> BatchPartitionTrigger("sales.sold_items", ["20161031"]).serialize()[1]["partitions"]
    ['20161031']
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
