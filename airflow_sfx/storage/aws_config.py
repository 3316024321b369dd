"""AWS settings from the environment, profiles and Airflow connections.

A boto3 client is created as usual, and its settings and the URL of a request are read from it.
Settings that boto3 would use and obstore cannot are rejected by name: no setting is ignored
silently, and keys are sent to no other server.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.io.error_text import safe_cause, safe_message
from airflow_sfx.core.io.uris import server_url
from airflow_sfx.storage.aws_network import authorities_of, names_proxy, proxy_of
from airflow_sfx.storage.aws_session import session_of, unusable
from airflow_sfx.storage.s3_access import ObjectSettings, S3Access

if TYPE_CHECKING:
    from obstore.store import S3Credential

KEEP_CREDENTIALS = timedelta(minutes=5)
"""How long credentials are reused; a session renews them 15 minutes before they expire."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""Variables of the endpoint, by precedence; boto3 does not read the last."""
_SIMPLE = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    *_ENDPOINTS,
}
"""Variables that are read without boto3, which takes 0.3 s to start, if no others are set."""
_SETTINGS = {
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_REQUEST_PAYER",
}
_BOTO_SECONDS = 60
"""botocore's default time limits, which this package replaces."""
_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")
_NO_CUSTOMER_KEYS = (
    "Customer keys (SSE-C) are not supported, because other engines could not read the files"
)
_SIGNATURES = (None, "s3v4", "v4")
_DIRECTORY_BUCKET = "--x-s3"
_PROBE = "x"
_WHAT = "the S3 endpoint (AWS_ENDPOINT_URL or its like, a profile's or an Airflow connection's)"


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """The resolved settings of a bucket.

    Args:
        bucket_url: The bucket's URL, with the bucket in its host or its path.
        region: The region for which requests are signed.
        credentials: Returns the credentials; None for unsigned requests.
        settings: Settings of requests.
        authorities: Certificate authorities that are trusted in addition to the system's, as PEM;
            None for none.
        verified: Whether certificates are verified.
        proxy: The proxy's URL; None for none, or that of the environment.
        proxy_authorities: As ``authorities``, for the proxy.
        without_proxy: Whether the environment's proxy is ignored.
        connect_timeout: The time limit of opening a connection in seconds; None for the default of
            this package.
        read_timeout: How many seconds a server may be silent; None for the default.
        attempts: How often a request is sent at most; None for the default.
    """

    bucket_url: str
    region: str
    credentials: Callable[[], S3Credential] | None = field(repr=False)
    settings: ObjectSettings
    authorities: bytes | None = field(default=None, repr=False)
    verified: bool = True
    proxy: str | None = field(default=None, repr=False)
    proxy_authorities: str | None = field(default=None, repr=False)
    without_proxy: bool = False
    connect_timeout: float | None = None
    read_timeout: float | None = None
    attempts: int | None = None


def resolve_s3(bucket: str, access: S3Access) -> S3Endpoint:
    """Resolve the settings of a bucket.

    Args:
        bucket: The bucket, or an access point's alias.
        access: The settings of the URI or an Airflow connection.

    Returns:
        The settings.

    Raises:
        InvalidName: A setting is not supported, or an address holds a login.
        WarehouseUnavailable: There are no credentials, or the configuration cannot be read.
    """
    if bucket.endswith(_DIRECTORY_BUCKET):
        raise InvalidName(
            f"{bucket} is a directory bucket of S3 Express One Zone, whose listings have no order"
            " and which Hive and Glue do not support: use a general purpose bucket"
        )
    settings = access.settings or _settings_of_environment(os.environ)
    return _without_boto3(bucket, access, settings, os.environ) or _with_boto3(
        bucket, access, settings
    )


def object_settings(
    arguments: Mapping[str, object], *, requester_pays: bool, what: str
) -> ObjectSettings:
    """Parse the ``extra_args`` of S3Hook.

    Args:
        arguments: ``ServerSideEncryption``, ``SSEKMSKeyId``, ``BucketKeyEnabled``,
            ``RequestPayer``.
        requester_pays: S3Hook's argument of that name.
        what: What contains them, for messages.

    Returns:
        The settings.

    Raises:
        InvalidName: There are other arguments, or customer keys.

    Example:
        >>> given = {"ServerSideEncryption": "aws:kms"}
        >>> object_settings(given, requester_pays=False, what="it").encryption
        'aws:kms'
    """
    left = dict(arguments)
    encryption, key = str(left.pop("ServerSideEncryption", "")), str(left.pop("SSEKMSKeyId", ""))
    bucket_key = left.pop("BucketKeyEnabled", None)
    payer = left.pop("RequestPayer", None)
    if left:
        raise InvalidName(
            f"{what} has an unsupported setting: use ServerSideEncryption"
            f" ({', '.join(_ENCRYPTIONS)}), SSEKMSKeyId, BucketKeyEnabled and RequestPayer."
            f" {_NO_CUSTOMER_KEYS}"
        )
    _refuse_encryption(encryption, f"ServerSideEncryption in {what}")
    return ObjectSettings(
        encryption,
        key,
        None if bucket_key is None else _is_true(bucket_key),
        requester_pays or payer == "requester",
    )


def _refuse_encryption(encryption: str, what: str) -> None:
    if encryption and encryption not in _ENCRYPTIONS:
        *some, last = _ENCRYPTIONS
        raise InvalidName(f"{what} must be {', '.join(some)} or {last}. {_NO_CUSTOMER_KEYS}")


def create_client(
    service: str,
    session: Any,
    access: S3Access,
    config: Any,
    region: str | None,
    endpoint: str | None,
) -> Any:
    """Create a boto3 client, with errors that repeat no address.

    Args:
        service: ``s3``, ``glue`` or ``kinesis``.
        session: The boto3 session.
        access: The settings, of which the verification of certificates is used.
        config: The botocore configuration.
        region: The region; None for the session's.
        endpoint: The server's URL; None for that of the environment or the profile.

    Raises:
        InvalidName: The endpoint is not the address of a server.
        WarehouseUnavailable: The configuration cannot be used.
    """
    from botocore.exceptions import BotoCoreError

    what = _WHAT if service == "s3" else f"the endpoint of {service.capitalize()}"
    if endpoint is not None:
        server_url(endpoint, what)
    client = None
    with contextlib.suppress(ValueError):  # it repeats the address, which may hold a password
        try:
            client = session.client(
                service,
                region_name=region,
                endpoint_url=endpoint,
                config=config,
                verify=access.verify,
            )
        except BotoCoreError as error:
            raise unusable(error) from error
    if client is None:
        raise InvalidName(
            f"{what} is not the address of a server: write http://host:port or https://host"
        )
    server_url(client.meta.endpoint_url, what)
    return client


def s3_client(access: S3Access, session: Any, config: Any) -> Any:
    """Create a boto3 client for S3 that uses the same server as obstore.

    Args:
        access: How S3 is reached.
        session: The boto3 session.
        config: The botocore configuration; None for the session's.

    Raises:
        InvalidName: An endpoint is not the address of a server.
        WarehouseUnavailable: The configuration cannot be used.
    """
    for address in filter(None, map(os.environ.get, _ENDPOINTS)):
        server_url(address, _WHAT)
    named = access.endpoint
    if named is None and not (
        os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    ):
        named = os.environ.get("AWS_ENDPOINT")
    region = access.region or session.region_name or os.environ.get("AWS_REGION")
    return create_client("s3", session, access, config, region, named or None)


class SessionCredentials:
    """The credentials of a boto3 session, reread every few minutes for obstore.

    Args:
        session: The boto3 session.
    """

    def __init__(self, session: Any) -> None:
        from botocore.exceptions import BotoCoreError

        try:
            self._credentials = session.get_credentials()
        except BotoCoreError as error:
            raise _no_credentials(error) from safe_cause(error)
        if self._credentials is None:
            raise WarehouseUnavailable(
                "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or"
                " AWS_PROFILE, or name an Airflow connection with aws_conn_id"
            )

    def __call__(self) -> S3Credential:
        """Return the present credentials."""
        from botocore.exceptions import BotoCoreError, ClientError

        now = datetime.now(UTC)
        try:
            found = self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            raise _no_credentials(error) from safe_cause(error)
        return {
            "access_key_id": found.access_key,
            "secret_access_key": found.secret_key,
            "token": found.token,
            "expires_at": now + KEEP_CREDENTIALS,
        }


def _no_credentials(error: Exception) -> WarehouseUnavailable:
    return WarehouseUnavailable(
        f"the AWS credentials cannot be loaded: {safe_message(error)}. Check the profile, the role"
        " or the Airflow connection that names them"
    )


_AWS_BUNDLE = "AWS_CA_BUNDLE"
_ALLOW_HTTP = "AWS_ALLOW_HTTP"
"""A variable of other libraries, which boto3 does not know; `sfx stack up` sets it for them."""


def _without_boto3(
    bucket: str, access: S3Access, settings: ObjectSettings, environment: Mapping[str, str]
) -> S3Endpoint | None:
    """Resolve the settings of a server whose keys and address are in the environment.

    Returns:
        The settings; None if other settings require boto3.
    """
    endpoint = access.endpoint or next(filter(None, map(environment.get, _ENDPOINTS)), None)
    others = {name for name in environment if name.startswith("AWS_")} - _SIMPLE - _SETTINGS
    others -= {_AWS_BUNDLE, _ALLOW_HTTP}
    keys = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    special = (
        (access.session, access.config, access.verify) != (None, None, None)
        or others
        or not all(keys)
    )
    # Without TLS there are no certificates to verify.
    bundled = any(map(environment.get, (_AWS_BUNDLE, "REQUESTS_CA_BUNDLE"))) and not (
        endpoint or ""
    ).startswith("http://")
    if not endpoint or special or bundled or names_proxy(environment) or _has_profiles():
        return None
    server_url(endpoint, _WHAT)
    region = (
        access.region
        or environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
        or "us-east-1"
    )
    found: S3Credential = {
        "access_key_id": keys[0] or "",
        "secret_access_key": keys[1] or "",
        "token": environment.get("AWS_SESSION_TOKEN"),
        "expires_at": None,
    }
    return S3Endpoint(f"{endpoint.rstrip('/')}/{bucket}", region, lambda: found, settings)


def _with_boto3(bucket: str, access: S3Access, settings: ObjectSettings) -> S3Endpoint:
    from botocore import UNSIGNED
    from botocore.config import Config

    config, session = access.config or Config(), session_of(access)
    client = s3_client(access, session, config.merge(Config(signature_version=UNSIGNED)))
    anonymous = config.signature_version is UNSIGNED or _is_true(
        os.environ.get("AWS_SKIP_SIGNATURE", "")
    )
    _refuse_unsupported(config, client.meta.config, anonymous=anonymous)
    bucket_url = _bucket_url(client, bucket)
    proxy, proxy_authorities, without_proxy = proxy_of(client.meta.config, bucket_url)
    authorities, verified = authorities_of(access, session)
    return S3Endpoint(
        bucket_url,
        client.meta.region_name or "us-east-1",
        None if anonymous else SessionCredentials(session),
        settings,
        authorities,
        verified,
        proxy,
        proxy_authorities,
        without_proxy,
        _changed(client.meta.config.connect_timeout),
        _changed(client.meta.config.read_timeout),
        (client.meta.config.retries or {}).get("total_max_attempts"),
    )


def _bucket_url(client: Any, bucket: str) -> str:
    """Return the bucket's URL, from a request that is intercepted, not sent."""
    from botocore.awsrequest import AWSResponse
    from urllib3 import HTTPResponse

    asked: list[str] = []

    def intercept(request: Any, **_: object) -> AWSResponse:
        asked.append(request.url)
        return AWSResponse(request.url, 200, {}, HTTPResponse(io.BytesIO(), preload_content=False))

    client.meta.events.register("before-send.s3.HeadObject", intercept)
    client.head_object(Bucket=bucket, Key=_PROBE)
    return asked[0].removesuffix(f"/{_PROBE}")


def _refuse_unsupported(config: Any, resolved: Any, *, anonymous: bool) -> None:
    if not anonymous and config.signature_version not in _SIGNATURES:
        raise InvalidName(
            "signature_version is not supported: use s3v4, or unsigned for public buckets"
        )
    if resolved.client_cert:
        raise InvalidName(
            "client_cert is not supported for S3: use a server that identifies clients by their"
            " keys"
        )


def _changed(seconds: float | None) -> float | None:
    return None if seconds is None or seconds == _BOTO_SECONDS else seconds


def _settings_of_environment(environment: Mapping[str, str]) -> ObjectSettings:
    names = {
        "ServerSideEncryption": "AWS_SERVER_SIDE_ENCRYPTION",
        "SSEKMSKeyId": "AWS_SSE_KMS_KEY_ID",
        "BucketKeyEnabled": "AWS_SSE_BUCKET_KEY_ENABLED",
    }
    found = {
        name: environment[variable] for name, variable in names.items() if environment.get(variable)
    }
    _refuse_encryption(
        environment.get("AWS_SERVER_SIDE_ENCRYPTION", ""), "AWS_SERVER_SIDE_ENCRYPTION"
    )
    payer = environment.get("AWS_REQUEST_PAYER", "")
    pays = payer.lower() == "requester" or _is_true(payer)
    return object_settings(
        found, requester_pays=pays, what="the environment (AWS_SERVER_SIDE_ENCRYPTION and its like)"
    )


def _has_profiles() -> bool:
    """Whether the user has a file of profiles at the default path."""
    return any(
        os.path.exists(os.path.expanduser(f"~/.aws/{name}")) for name in ("config", "credentials")
    )


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1", "yes")
