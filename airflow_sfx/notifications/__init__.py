"""Airflow notifiers, loaded on first use.

Example:
    >>> from airflow_sfx.notifications import AffectedModelsNotifier
    >>> AffectedModelsNotifier.__name__
    'AffectedModelsNotifier'
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
