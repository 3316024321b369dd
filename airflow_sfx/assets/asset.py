"""A table, or a model, as an Airflow asset, and the form of its URI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from airflow_sfx.assets.event_payload import asset_uri
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.airflow_internals import asset_of_final_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Asset


def batch_asset(table: str, **more: Any) -> Asset:
    """Return the asset of a table, for a DAG's schedule or a task's outlets.

    A task that has it among its outlets and changes the table by a public call sends asset events
    with the pin.

    Args:
        table: ``database.table``.
        more: Other arguments of ``Asset``, such as ``group``.

    Returns:
        The asset: named like the table, at ``sfx://database/table``.

    Raises:
        InvalidName: The table's name breaks a rule.

    Example:
        >>> from airflow.sdk import PartitionedAssetTimetable
        >>> sold_items = batch_asset("sales.sold_items", group="nightly")
        >>> schedule = PartitionedAssetTimetable(assets=sold_items)
    """
    ref = TableRef.parse(table)
    return asset_of_final_uri(str(ref), asset_uri(ref), **more)


def model_asset(name: str, **more: Any) -> Asset:
    """Return the asset of a model, for a DAG's schedule or a task's outlets.

    The partition key of its events is the alias that changed: ``latest`` for a save.

    Args:
        name: The model's name.
        more: Other arguments of ``Asset``, such as ``group``.

    Returns:
        The asset, at ``sfx://models/NAME``.

    Raises:
        InvalidName: The name breaks a rule.

    Example:
        >>> model_asset("delays").uri
        'sfx://models/delays'
    """
    from airflow_sfx.models.pin import table_of

    return batch_asset(str(table_of(name)), **more)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an asset URI when a DAG file is parsed: ``sfx://database/table``.

    Args:
        uri: The URI.

    Returns:
        The same URI.

    Raises:
        InvalidName: It does not name a table.
    """
    TableRef(uri.netloc, uri.path.strip("/"))
    return uri


def create_asset(*, database: str, table: str, extra: Mapping[str, Any] | None = None) -> Asset:
    """Return an asset from the parts of its URI, for hook lineage.

    Args:
        database: The table's database.
        table: Its name.
        extra: The asset's extra, or None.

    Returns:
        The asset.
    """
    return batch_asset(f"{database}.{table}", extra=dict(extra or {}))
