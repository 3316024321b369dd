"""Nightly ETL on Apache Airflow that you can undo.

Each write of a partition goes to a new directory, its batch; then the metastore is pointed at it.
Earlier batches and the history of changes stay.

Example:
    >>> import os, tempfile
    >>> import airflow_sfx as sfx
    >>> import pandas as pd
    >>> os.environ["SFX_WAREHOUSE"] = f"embedded://{tempfile.mkdtemp()}"
    >>> warehouse = sfx.connect()
    >>> frame = pd.DataFrame({"n": [1, 2]})
    >>> good = sfx.store_dataframe(frame, "sales", "sold_items", ["20161031"])
    >>> frame = pd.DataFrame({"n": [-9, 2]})
    >>> oops = sfx.store_dataframe(frame, "sales", "sold_items", ["20161031"])

The examples of all calls start from this state: `oops` is current, and `good` is the previous
batch.

Names are loaded on first use: importing the package imports neither pandas, pyarrow nor Airflow.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
