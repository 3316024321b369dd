"""Asset events of writers outside of Airflow, sent to its REST API."""

from __future__ import annotations

from typing import Any

from airflow_sfx.assets.event_payload import asset_uri, events_of
from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.uris import server_url
from airflow_sfx.core.pin import BatchPin

_SECONDS = 60


def announce(pin: BatchPin, api_url: str, token: str, *, operation: str = "publish") -> list[int]:
    """Send the asset events of a pin, one per partition, as a task does.

    Args:
        pin: The batches that are current now.
        api_url: Airflow's address, ``http://host:8080``.
        token: A token of its API, from ``POST /auth/token``; it is sent but not stored.
        operation: ``publish``, ``rollback`` or ``announce``.

    Returns:
        The IDs of the events.

    Raises:
        InvalidName: The address has a login, or is not an address.
        WarehouseUnavailable: Airflow cannot be reached or rejects the events. The batches are
            current in any case.

    Example:
        >>> from airflow_sfx.core.pin import BatchPin
        >>> entries = (("20161031", "20161101002256"),)
        >>> pin = BatchPin("sales", "items", "s3://bucket/sales.db/items", entries)
        >>> announce(pin, "http://127.0.0.1:1", "a token")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.WarehouseUnavailable: the events of ...
    """
    import httpx

    server_url(api_url, "the address of Airflow's API")
    uri = asset_uri(pin.ref)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(
            base_url=f"{api_url.rstrip('/')}/api/v2", headers=headers, timeout=_SECONDS
        ) as client:
            asset = _asset(client, uri)
            return [_send(client, asset, key, extra) for key, extra in events_of(pin, operation)]
    except httpx.HTTPStatusError as error:
        answer = error.response.text[:300]
        raise WarehouseUnavailable(
            f"Airflow at {api_url} rejects the event of {pin}: {answer}"
        ) from error
    except httpx.HTTPError as error:
        raise WarehouseUnavailable(
            f"the events of {pin} cannot be sent to Airflow at {api_url}: {error}; try again"
        ) from error


def login(api_url: str, user: str, password: str) -> str:
    """Return a token of Airflow's API for a user.

    Args:
        api_url: Airflow's address, ``http://host:8080``.
        user: The user's name.
        password: The password; it is sent but not stored.

    Returns:
        The token, which expires.

    Raises:
        InvalidName: The address has a login, or is not an address.
        WarehouseUnavailable: Airflow cannot be reached, or rejects the login.

    Example:
        >>> login("http://127.0.0.1:1", "ada", "secret")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.WarehouseUnavailable: the login of ada at ...
    """
    import httpx

    server_url(api_url, "the address of Airflow's API")
    try:
        answer = httpx.post(
            f"{api_url.rstrip('/')}/auth/token",
            json={"username": user, "password": password},
            timeout=_SECONDS,
        ).raise_for_status()
        return str(answer.json()["access_token"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise WarehouseUnavailable(
            f"the login of {user} at Airflow's API {api_url} failed: {error}; check the name, the"
            " password and the address"
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
        f"Airflow does not know the asset {uri}: a DAG must name it first, in its schedule or as an"
        " outlet; nothing was sent"
    )


def _send(client: Any, asset: int, key: str | None, extra: dict[str, Any]) -> int:
    body: dict[str, Any] = {"asset_id": asset, "extra": extra}
    if key is not None:
        body["partition_key"] = key
    return int(client.post("/assets/events", json=body).raise_for_status().json()["id"])
