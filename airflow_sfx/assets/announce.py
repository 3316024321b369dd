"""For writers outside of Airflow: tell its REST API what became current, so that DAGs start on it."""

from __future__ import annotations

from typing import Any

from airflow_sfx.assets.event_payload import EXTRA, asset_uri, written
from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.uris import server_url
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.serde.partition_key import event_key, partition_of_name

_SECONDS = 60


def announce(pin: BatchPin, api_url: str, token: str, *, operation: str = "publish") -> list[int]:
    """Send the asset events of a pin, one a partition, as a task would have.

    Args:
        pin: What is current now.
        api_url: Airflow's address, ``http://host:8080``.
        token: A token of its API, from ``POST /auth/token``; it is sent and not stored.
        operation: ``publish`` or ``rollback``.

    Returns:
        The IDs of the events.

    Raises:
        InvalidName: The address holds a login, or is not one.
        WarehouseUnavailable: Airflow cannot be reached or refuses; the batches are current all the
            same.

    Example:
        >>> from airflow_sfx.core.pin import BatchPin
        >>> pin = BatchPin("sales", "items", "s3://bucket/sales.db/items", (("20161031", "20161101002256"),))
        >>> announce(pin, "http://127.0.0.1:1", "a token")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.WarehouseUnavailable: Airflow at http://127.0.0.1:1 cannot be told of ...; try again
    """
    import httpx

    server_url(api_url, "the address of Airflow's API")
    uri = asset_uri(pin.ref)
    extra = {EXTRA: written(pin, operation)}
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(
            base_url=f"{api_url.rstrip('/')}/api/v2", headers=headers, timeout=_SECONDS
        ) as client:
            asset = _asset(client, uri)
            return [_send(client, asset, name, extra) for name in pin.batches]
    except httpx.HTTPStatusError as error:
        said = error.response.text[:300]
        raise WarehouseUnavailable(
            f"Airflow at {api_url} refuses the event of {pin}: {said}"
        ) from error
    except httpx.HTTPError as error:
        raise WarehouseUnavailable(
            f"Airflow at {api_url} cannot be told of {pin}: {error}; try again"
        ) from error


def _asset(client: Any, uri: str) -> int:
    found = (
        client.get("/assets", params={"uri_pattern": uri, "limit": 100})
        .raise_for_status()
        .json()["assets"]
    )
    for asset in found:
        if asset["uri"] == uri:
            return int(asset["id"])
    raise WarehouseUnavailable(
        f"Airflow knows no asset {uri}: a DAG must name it first, in its schedule or as an outlet;"
        " nothing was sent"
    )


def _send(client: Any, asset: int, name: str, extra: dict[str, Any]) -> int:
    body: dict[str, Any] = {"asset_id": asset, "extra": extra}
    if name:
        body["partition_key"] = event_key(partition_of_name(name))
    return int(client.post("/assets/events", json=body).raise_for_status().json()["id"])
