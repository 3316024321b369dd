"""Safe, undoable, reproducible nightly ETL on S3 and Hive Metastore.

Every change of a partition goes to a new inner directory, its batch; the metastore's pointer moves;
the history stays.

Example:
    >>> import os, tempfile
    >>> import airflow_sfx as sfx
    >>> import pandas as pd
    >>> os.environ["SFX_WAREHOUSE"] = f"embedded://{tempfile.mkdtemp()}"
    >>> warehouse = sfx.connect()
    >>> good = sfx.store_dataframe(pd.DataFrame({"n": [1, 2]}), "sales", "sold_items", ["20161031"])
    >>> oops = sfx.store_dataframe(pd.DataFrame({"n": [-9, 2]}), "sales", "sold_items", ["20161031"])

The example of each call goes on from here, every one by itself: `oops` is current, and `good` is
what was before.

Names are loaded on first use: importing the package imports neither pandas, pyarrow nor Airflow.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
