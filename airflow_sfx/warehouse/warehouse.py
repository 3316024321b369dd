"""The warehouse: every operation on tables of one storage and one metastore."""

from __future__ import annotations

from airflow_sfx.warehouse.calls.comparing import Comparing
from airflow_sfx.warehouse.calls.exporting import Exporting
from airflow_sfx.warehouse.calls.holding import Holding
from airflow_sfx.warehouse.calls.keeping import Keeping
from airflow_sfx.warehouse.calls.loading import Loading
from airflow_sfx.warehouse.calls.looking import Looking
from airflow_sfx.warehouse.calls.mending import Mending
from airflow_sfx.warehouse.calls.storing import Storing
from airflow_sfx.warehouse.calls.undoing import Undoing


class Warehouse(
    Exporting, Storing, Mending, Loading, Holding, Looking, Undoing, Keeping, Comparing
):
    """Tables on one storage and one metastore; `airflow_sfx.connect` opens one.

    Safe to use from several threads. Times have time zones; what comes back is in UTC.

    Args:
        uri: What the warehouse was opened by, without secrets.
        store: The storage.
        metastore: The metastore.
        partition_style: How new tables name a partition's directory: ``value`` (``20161031``) or
            ``hive`` (``date=20161031``).
        producer: Gives who writes; asked once a change.

    Example:
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}?layout=hive")
        >>> warehouse.partition_style, warehouse.tables()
        ('hive', [])
    """
