"""A table as an Airflow asset, and what its URI has to look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from airflow.sdk import Asset

from airflow_sfx.assets.event_payload import asset_uri
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log.events import subscribe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_sfx.warehouse.log.events import Committed, Loaded


def batch_asset(table: str, **more: Any) -> Asset:
    """A table as an asset, for the schedule of a DAG that starts on its batches, or an outlet of a task that writes it.

    Args:
        table: ``database.table``.
        more: Other arguments of ``Asset``, such as ``group``.

    Returns:
        The asset: named like the table, at ``sfx://database/table``.

    Raises:
        InvalidName: The table's name breaks a rule.

    Example:
        >>> from airflow.sdk import PartitionedAssetTimetable
        >>> schedule = PartitionedAssetTimetable(assets=batch_asset("sales.sold_items", group="nightly"))
    """
    ref = TableRef.parse(table)
    asset = Asset(name=str(ref), **more)
    # An Asset that is made with a URI asks for its scheme's handler, and for that Airflow loads the
    # handlers of all providers, boto3 among them: half a second in each DAG file. This URI is in
    # its final form already.
    object.__setattr__(asset, "uri", asset_uri(ref))
    subscribe(_tell_outlet)
    return asset


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an asset URI when a DAG file is parsed: ``sfx://database/table``.

    Args:
        uri: The URI.

    Returns:
        The same URI.

    Raises:
        InvalidName: It names no table.
    """
    TableRef(uri.netloc, uri.path.strip("/"))
    return uri


def _tell_outlet(work: Committed | Loaded) -> None:
    """A task that names this package's asset as its outlet, and calls the warehouse by itself, sends events with pins."""
    from airflow_sfx.assets.events import tell_outlet

    tell_outlet(work)


def create_asset(*, database: str, table: str, extra: Mapping[str, Any] | None = None) -> Asset:
    """An asset from the parts of its URI, for hook lineage.

    Args:
        database: The table's database.
        table: Its name.
        extra: What goes with the asset.

    Returns:
        The asset.
    """
    return batch_asset(f"{database}.{table}", extra=dict(extra or {}))
