"""S3, or a server that speaks its language: how it is reached, with whose credentials, and how patiently."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.uris import server_url
from airflow_sfx.storage.objects import ObjectStorage

if TYPE_CHECKING:
    from obstore.store import S3Credential

KEEP_CREDENTIALS = timedelta(minutes=5)
"""How long credentials are used before the session is asked again: it renews its own a quarter of an hour before they
end."""
TRY_FOR = timedelta(seconds=60)
"""How long a request is repeated while the server is overloaded (429, 500, 502, 503, 504) or connections break off."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""Where the environment has the endpoint, the first that is set; obstore itself reads them all."""


@dataclass(frozen=True, slots=True)
class S3Access:
    """How S3 is reached.

    Args:
        endpoint: The server's URL; None for Amazon's.
        region: The region; None for what the environment or the session says.
        session: Gives a boto3 session, whose credentials are used and renewed; None for the usual AWS environment.

    Example:
        >>> S3Access(endpoint="http://127.0.0.1:8333").endpoint
        'http://127.0.0.1:8333'
    """

    endpoint: str | None = None
    region: str | None = None
    session: Callable[[], Any] | None = field(default=None, repr=False)


def open_s3(bucket: str, prefix: str, access: S3Access) -> ObjectStorage:
    """Open a bucket, or what is below a prefix of it.

    Args:
        bucket: The bucket.
        prefix: The prefix, without slashes at its ends; empty for the whole bucket.
        access: How S3 is reached.

    Returns:
        The storage.

    Raises:
        InvalidName: The endpoint holds a user name or a password.
        WarehouseUnavailable: There are no credentials.
    """
    from obstore.store import S3Store

    endpoint = access.endpoint or next(filter(None, map(os.environ.get, _ENDPOINTS)), None)
    if endpoint:
        server_url(endpoint, "the S3 endpoint (AWS_ENDPOINT_URL or its like, or an Airflow connection's)")
    provider = _provider(access, os.environ)
    region = access.region or (provider and provider.region) or _environment_region(os.environ)
    store = S3Store(
        bucket,
        prefix=prefix or None,
        region=region or "us-east-1",
        credential_provider=provider,
        client_options={
            "allow_http": (endpoint or "").startswith("http://"),
            "timeout": "120s",
            "connect_timeout": "5s",
        },
        retry_config={"max_retries": 10, "retry_timeout": TRY_FOR},
        config={"endpoint": endpoint} if endpoint else {},  # endpoint=None is refused, not taken for Amazon's own
    )
    return ObjectStorage(store, f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}", access)


class _SessionCredentials:
    """What obstore asks for credentials: those of a boto3 session, asked anew every few minutes."""

    def __init__(self, session: Any) -> None:
        self._credentials = session.get_credentials()
        self.region: str | None = session.region_name
        if self._credentials is None:
            raise WarehouseUnavailable(
                "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or name an "
                "Airflow connection with aws_conn_id"
            )

    def __call__(self) -> S3Credential:
        now = datetime.now(UTC)
        found = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token,
            "expires_at": now + KEEP_CREDENTIALS,
        }


def _provider(access: S3Access, environment: Mapping[str, str]) -> _SessionCredentials | None:
    if access.session is not None:
        return _SessionCredentials(access.session())
    if environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        return None  # obstore reads them itself, and boto3 need not be loaded
    import boto3

    return _SessionCredentials(boto3.Session())


def _environment_region(environment: Mapping[str, str]) -> str | None:
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
