"""The version that started a run: an event for each save, promotion and rollback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_sfx._default import warehouse_of
from airflow_sfx.assets.consumers import newest_events
from airflow_sfx.assets.event_payload import read
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.models.pin import ModelPin, alias_name, table_of


def model_from_event(
    context: Mapping[str, Any],
    name: str,
    alias: str = "production",
    *,
    sfx_conn_id: str | None = None,
) -> ModelPin:
    """Return the version that an alias got by the event that started a run.

    A run without asset events, which was triggered by hand, gets the version that the alias has.

    Args:
        context: The task's context, ``airflow.sdk.get_current_context()``.
        name: The model, whose asset the DAG is scheduled on.
        alias: The alias.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.

    Returns:
        The version.

    Raises:
        AirflowSkipException: The events are of other aliases.
        InvalidName: The events are of other assets, or one has no pin or the pin of another model.
        PartitionNotFound: The run has no events, and the alias no version.

    Example:
        In a DAG whose schedule is ``PartitionedAssetTimetable(assets=model_asset("delays"))``::

            @task
            def promoted():
                return model_from_event(get_current_context(), "delays")
    """
    ref, place = table_of(name), alias_name(alias)
    if not list(context["triggering_asset_events"]):
        from airflow_sfx.models.registry import ModelRegistry

        return ModelRegistry(warehouse_of(sfx_conn_id)).resolve(f"{ref.table}@{place}")
    found: dict[str, str] = {}
    for event in newest_events(context, ref):
        _, pin = read(event.extra, event.partition_key)
        if pin.ref != ref:
            raise InvalidName(
                f"an asset event of {ref} has a pin of {pin.ref}: it was forged or edited"
            )
        found |= pin.batches
    if place not in found:
        raise AirflowSkipException(
            f"the run was started by a change of {ref.table}@{', '.join(found)}, not of"
            f" {ref.table}@{place}"
        )
    return ModelPin(ref.table, found[place])
