"""Sessions of boto3, which read what describes the services of AWS once."""

from __future__ import annotations

from functools import cache
from typing import Any

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.storage.s3_access import S3Access


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
