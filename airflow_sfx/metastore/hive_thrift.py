"""The generated Thrift client of the Hive Metastore, as Airflow's Hive provider brings it (``hmsclient``).

It makes some sixty thousand objects that stay for good: looking for garbage among them takes twice as long as making them, 25 of
45 ms in an Airflow task.
"""

from __future__ import annotations

from airflow_sfx.core.garbage import seldom_collected

with seldom_collected():
    from hmsclient.genthrift.hive_metastore import ttypes
    from hmsclient.genthrift.hive_metastore.ThriftHiveMetastore import Client

__all__ = ["Client", "ttypes"]
