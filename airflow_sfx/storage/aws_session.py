"""Sessions and errors of boto3.

Sessions read what describes the services of AWS once.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.storage.s3_access import S3Access

_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
"""HTTP statuses after which a call is retried: the first, and from the second on."""


def session_of(access: S3Access) -> Any:
    """Return a boto3 session.

    Args:
        access: The settings, which may have a session.

    Raises:
        WarehouseUnavailable: The configuration cannot be read, or names a missing profile.
    """
    from botocore.exceptions import BotoCoreError

    try:
        return access.session() if access.session is not None else _new_session()
    except BotoCoreError as error:
        raise unusable(error) from error


def _new_session() -> Any:
    import boto3
    from botocore.session import get_session

    core = get_session()
    data = _service_data(core.get_config_variable("data_path"))
    core.register_component("data_loader", data)
    session = boto3.Session(botocore_session=core)
    data.search_paths[:] = dict.fromkeys(data.search_paths)  # each session adds its own again
    return session


@cache
def _service_data(data_path: str | None) -> Any:
    """Return what describes the services of AWS, of which a client reads megabytes of JSON."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def unusable(error: Exception) -> WarehouseUnavailable:
    """Return what to raise for an error of the configuration.

    Args:
        error: The error of boto3.
    """
    return WarehouseUnavailable(
        f"the AWS configuration cannot be used: {error}. Check the environment, the profile and the"
        " Airflow connection"
    )


def is_transient(error: Exception, codes: Collection[str]) -> bool:
    """Return whether a call failed because of the connection or an overloaded server.

    Args:
        error: The error of boto3.
        codes: The errors by which the service rejects calls for now.
    """
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, SSLError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code")
        return status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR or code in codes
    return isinstance(error, HTTPClientError | ConnectionError) and not isinstance(error, SSLError)
