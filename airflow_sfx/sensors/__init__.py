"""The sensors, loaded on first use.

Example:
    >>> from airflow_sfx.sensors import BatchPartitionSensor
    >>> BatchPartitionSensor.__name__
    'BatchPartitionSensor'
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
