"""The generated Thrift client of the Hive Metastore, as Airflow's Hive provider brings it (``hmsclient``).

It makes some sixty thousand objects that stay for good. Looking for garbage among them again and again, and among all that the
process had before, takes twice as long as making them: 25 of 45 ms in an Airflow task, so it is not done meanwhile.
"""

from __future__ import annotations

import gc

_collecting = gc.isenabled()
gc.disable()
try:
    from hmsclient.genthrift.hive_metastore import ttypes
    from hmsclient.genthrift.hive_metastore.ThriftHiveMetastore import Client
finally:
    if _collecting:
        gc.enable()

__all__ = ["Client", "ttypes"]
