"""S3, or a server that speaks its language: how it is reached, with whose credentials, and how patiently."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.io.timeouts import TRY_SECONDS, UPLOAD_SECONDS, Timeouts
from airflow_sfx.storage.object_store import RemoteStore

if TYPE_CHECKING:
    from botocore.config import Config
    from obstore.store import ClientConfig, S3Config, S3Store

    from airflow_sfx.storage.aws_config import S3Endpoint

_LONGEST_PAUSE = timedelta(seconds=3)
_ALWAYS_AGAIN = 10_000
"""How often a request is repeated is bounded by the time alone."""
_EVERYTHING = "*,0.0.0.0/0,::/0"
"""All hosts, by name and by address: with a proxy that none of them is reached through, the environment's is not asked."""
_WHOLE_SECONDS = 3600.0
"""How long the whole of an object may take to read: it is given up sooner where nothing comes."""


@dataclass(frozen=True, slots=True)
class ObjectSettings:
    """What S3 is told with requests, as S3Hook's ``extra_args`` and ``requester_pays`` call it.

    Args:
        encryption: ``AES256``, ``aws:kms`` or ``aws:kms:dsse``; empty for the bucket's own.
        kms_key: The KMS key's ID or ARN; empty for the bucket's or the account's.
        bucket_key: Whether S3 uses a key of the bucket; None for the bucket's own setting.
        requester_pays: Whether who asks pays.
    """

    encryption: str = ""
    kms_key: str = ""
    bucket_key: bool | None = None
    requester_pays: bool = False


@dataclass(frozen=True, slots=True)
class S3Access:
    """How S3 and Glue are reached, where the AWS environment and its profiles do not say it alone.

    Args:
        endpoint: The S3 server's URL; None for what the environment or the profile says.
        region: The region; None for what the environment or the profile says.
        session: Gives a boto3 session, whose credentials are used and renewed; None for one of the
            environment.
        config: The botocore configuration: proxies, time limits, addressing.
        verify: A file of certificate authorities, or False to verify no certificate; None for what
            the environment says.
        settings: What S3 is told with requests; None for what the environment says.
        glue_endpoint: Glue's URL; None for what the environment or the profile says.
        glue_catalog: Whose catalog: an AWS account's number; None for the credentials' own.

    Example:
        >>> S3Access(endpoint="http://127.0.0.1:8333").endpoint
        'http://127.0.0.1:8333'
    """

    endpoint: str | None = None
    region: str | None = None
    session: Callable[[], Any] | None = field(default=None, repr=False)
    config: Config | None = field(default=None, repr=False)
    verify: bool | str | None = None
    settings: ObjectSettings | None = None
    glue_endpoint: str | None = None
    glue_catalog: str | None = None


def open_s3(bucket: str, prefix: str, access: S3Access) -> RemoteStore:
    """Open a bucket, or what is below a prefix of it.

    Args:
        bucket: The bucket, or an access point's alias.
        prefix: The prefix, without slashes at its ends; empty for the whole bucket.
        access: How S3 is reached.

    Returns:
        The storage.

    Raises:
        InvalidName: The endpoint holds a user name or a password, or something is asked for that
            cannot be done.
        WarehouseUnavailable: There are no credentials.
    """
    from airflow_sfx.storage.aws_config import resolve_s3

    opened = lru_cache(maxsize=4)(partial(_opened, bucket, prefix, resolve_s3(bucket, access)))
    uri = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
    return RemoteStore(opened(Timeouts()), uri, access, opened)


def _opened(
    bucket: str, prefix: str, reached: S3Endpoint, patience: Timeouts, upload: bool = False
) -> S3Store:
    from obstore.store import S3Store

    return S3Store(
        bucket,
        prefix=prefix or None,
        credential_provider=reached.credentials,
        config=_config(reached),
        client_options=_client_options(
            reached, patience, UPLOAD_SECONDS if upload else patience.answer
        ),
        retry_config={
            "max_retries": _ALWAYS_AGAIN if reached.attempts is None else reached.attempts - 1,
            "retry_timeout": timedelta(seconds=patience.total),
            "backoff": {"max_backoff": _LONGEST_PAUSE},
        },
    )


def _config(reached: S3Endpoint) -> S3Config:
    """Everything is said: obstore itself reads variables that boto3 does not, and prefers some to what it is given."""
    settings = reached.settings
    config: S3Config = {
        "region": reached.region,
        "endpoint": reached.bucket_url,
        "aws_endpoint_url_s3": reached.bucket_url,
        "virtual_hosted_style_request": (
            True
        ),  # the bucket is in the URL already, in its host or its path
        "skip_signature": reached.credentials is None,
        "request_payer": settings.requester_pays,
        "s3_express": False,
        "unsigned_payload": False,
    }
    if settings.encryption:
        config["server_side_encryption"] = settings.encryption
    if settings.kms_key:
        config["sse_kms_key_id"] = settings.kms_key
    if settings.bucket_key is not None:
        config["sse_bucket_key_enabled"] = settings.bucket_key
    return config


def _client_options(reached: S3Endpoint, patience: Timeouts, answer: float) -> ClientConfig:
    hasty = patience.total < TRY_SECONDS
    options: ClientConfig = {
        "allow_http": reached.bucket_url.startswith("http://"),
        "allow_invalid_certificates": not reached.verified,
        "connect_timeout": timedelta(seconds=reached.connect_timeout or patience.connect),
        "read_timeout": timedelta(seconds=reached.read_timeout or answer),
        "timeout": timedelta(seconds=patience.total if hasty else _WHOLE_SECONDS),
    }
    if reached.authorities is not None:
        options["root_certificate"] = reached.authorities
    if reached.proxy is not None:
        options["proxy_url"] = reached.proxy
    if reached.proxy_authorities is not None:
        options["proxy_ca_certificate"] = reached.proxy_authorities
    if reached.proxy is None and reached.without_proxy:
        options["proxy_url"], options["proxy_excludes"] = "http://127.0.0.1:9", _EVERYTHING
    return options
