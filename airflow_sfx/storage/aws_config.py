"""Where S3 is and how it is reached, as boto3 finds it out: environment, profiles, and what an Airflow connection says.

A boto3 client is made as everybody makes one, and asked which URL it would send a request to. What
it would use and obstore cannot is refused by name: nothing that somebody configured is left out
without a word, and keys go nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.io.error_text import safe_cause, safe_message
from airflow_sfx.core.io.uris import server_url
from airflow_sfx.storage.s3_access import ObjectSettings, S3Access

if TYPE_CHECKING:
    from obstore.store import S3Credential

KEEP_CREDENTIALS = timedelta(minutes=5)
"""How long credentials are used before the session is asked again: it renews its own a quarter of an hour before they
end."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
"""Where the environment has the endpoint, the first that is set; boto3 does not know the last."""
_PLAIN = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
    *_ENDPOINTS,
}
"""Variables that are read here, where the environment has no others: boto3 takes 0.3 s to start."""
_SETTINGS = {
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_SSE_BUCKET_KEY_ENABLED",
    "AWS_REQUEST_PAYER",
}
_PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
_BOTO_SECONDS = 60
"""botocore's own time limits, which stand for no wish of anybody."""
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
    """How a bucket is reached.

    Args:
        bucket_url: The URL that is the bucket, in its host or its path.
        region: The region that requests are signed for.
        credentials: Gives the credentials; None where requests are not signed.
        settings: What S3 is told with requests.
        authorities: Certificate authorities that are trusted beside the system's, as PEM.
        verified: Whether certificates are verified.
        proxy: The proxy's URL; None for none, or for what the environment says.
        proxy_authorities: As ``authorities``, for the proxy.
        without_proxy: Whether the environment's proxy is not to be used.
        connect_timeout: How long making a connection may take; None for what this package finds
            sensible.
        read_timeout: How long a server may be silent; None as before.
        attempts: How often a request is made; None as before.
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
    """Find out how a bucket is reached.

    Args:
        bucket: The bucket, or an access point's alias.
        access: What the URI or an Airflow connection says.

    Returns:
        How.

    Raises:
        InvalidName: Something is configured that cannot be done, or an address holds a login.
        WarehouseUnavailable: There are no credentials, or the configuration cannot be read.
    """
    if bucket.endswith(_DIRECTORY_BUCKET):
        raise InvalidName(
            f"{bucket} is a directory bucket of S3 Express One Zone, whose listings have no order"
            " and which Hive and Glue do not know: use a general purpose bucket"
        )
    settings = access.settings or _settings_of_environment(os.environ)
    return _plainly(bucket, access, settings, os.environ) or _as_boto3(bucket, access, settings)


def object_settings(
    arguments: Mapping[str, object], *, requester_pays: bool, what: str
) -> ObjectSettings:
    """Read what S3Hook calls ``extra_args``.

    Args:
        arguments: ``ServerSideEncryption``, ``SSEKMSKeyId``, ``BucketKeyEnabled``,
            ``RequestPayer``.
        requester_pays: S3Hook's argument of that name.
        what: Where they are, for messages.

    Returns:
        The settings.

    Raises:
        InvalidName: There are others, or encryption with a key of one's own.

    Example:
        >>> object_settings({"ServerSideEncryption": "aws:kms"}, requester_pays=False, what="it").encryption
        'aws:kms'
    """
    left = dict(arguments)
    encryption, key = str(left.pop("ServerSideEncryption", "")), str(left.pop("SSEKMSKeyId", ""))
    bucket_key = left.pop("BucketKeyEnabled", None)
    payer = left.pop("RequestPayer", None)
    if left:
        raise InvalidName(
            f"{what} asks for something that is not supported: use ServerSideEncryption"
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


def session_of(access: S3Access) -> Any:
    """The boto3 session of an access, or of the environment.

    Args:
        access: How S3 and Glue are reached.

    Raises:
        WarehouseUnavailable: The configuration cannot be read, or names a profile that is not
            there.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return access.session() if access.session is not None else boto3.Session()
    except BotoCoreError as error:
        raise _unusable(error) from error


def made_client(
    service: str,
    session: Any,
    access: S3Access,
    config: Any,
    region: str | None,
    endpoint: str | None,
) -> Any:
    """Make a boto3 client, with errors that repeat no address.

    Args:
        service: ``s3`` or ``glue``.
        session: The boto3 session.
        access: Which certificates are trusted.
        config: The botocore configuration.
        region: The region; None for the session's.
        endpoint: The server's URL; None for what the environment or the profile says.

    Raises:
        InvalidName: The endpoint is no address.
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
            raise _unusable(error) from error
    if client is None:
        raise InvalidName(
            f"{what} is not the address of a server: write http://host:port or https://host"
        )
    server_url(client.meta.endpoint_url, what)
    return client


def s3_client(access: S3Access, session: Any, config: Any) -> Any:
    """Make a boto3 client for S3, which sends its requests where obstore sends them.

    Args:
        access: How S3 is reached.
        session: The boto3 session.
        config: The botocore configuration; None for the session's own.

    Raises:
        InvalidName: An endpoint is no address.
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
    return made_client("s3", session, access, config, region, named or None)


class SessionCredentials:
    """What obstore asks for credentials: those of a boto3 session, asked anew every few minutes.

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
        """Give the credentials as they are now."""
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


def _unusable(error: Exception) -> WarehouseUnavailable:
    return WarehouseUnavailable(
        f"the AWS configuration cannot be used: {error}. Check the environment, the profile and the"
        " Airflow connection"
    )


def _no_credentials(error: Exception) -> WarehouseUnavailable:
    return WarehouseUnavailable(
        f"the AWS credentials cannot be had: {safe_message(error)}. Check the profile, the role or"
        " the Airflow connection that names them"
    )


def _plainly(
    bucket: str, access: S3Access, settings: ObjectSettings, environment: Mapping[str, str]
) -> S3Endpoint | None:
    """How a server is reached whose keys and address are plainly in the environment; None where boto3 must say it."""
    endpoint = access.endpoint or next(filter(None, map(environment.get, _ENDPOINTS)), None)
    others = {name for name in environment if name.startswith("AWS_")} - _PLAIN - _SETTINGS
    keys = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    special = (
        (access.session, access.config, access.verify) != (None, None, None)
        or others
        or not all(keys)
    )
    bundled = bool(environment.get("REQUESTS_CA_BUNDLE")) and not (endpoint or "").startswith(
        "http://"
    )
    if not endpoint or special or bundled or _names_proxy(environment) or _profiles_there():
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


def _as_boto3(bucket: str, access: S3Access, settings: ObjectSettings) -> S3Endpoint:
    from botocore import UNSIGNED
    from botocore.config import Config

    config, session = access.config or Config(), session_of(access)
    client = s3_client(access, session, config.merge(Config(signature_version=UNSIGNED)))
    anonymous = config.signature_version is UNSIGNED or _is_true(
        os.environ.get("AWS_SKIP_SIGNATURE", "")
    )
    _refuse_unsupported(config, client.meta.config, anonymous=anonymous)
    bucket_url = _bucket_url(client, bucket)
    proxy, proxy_authorities, without_proxy = _proxy(client.meta.config, bucket_url)
    authorities, verified = _authorities(access, session)
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
        _said(client.meta.config.connect_timeout),
        _said(client.meta.config.read_timeout),
        (client.meta.config.retries or {}).get("total_max_attempts"),
    )


def _bucket_url(client: Any, bucket: str) -> str:
    """Where the client would send a request about the bucket: it is made, and taken before it leaves."""
    from botocore.awsrequest import AWSResponse
    from urllib3 import HTTPResponse

    asked: list[str] = []

    def take(request: Any, **_: object) -> AWSResponse:
        asked.append(request.url)
        return AWSResponse(request.url, 200, {}, HTTPResponse(io.BytesIO(), preload_content=False))

    client.meta.events.register("before-send.s3.HeadObject", take)
    client.head_object(Bucket=bucket, Key=_PROBE)
    return asked[0].removesuffix(f"/{_PROBE}")


def _proxy(config: Any, url: str) -> tuple[str | None, str | None, bool]:
    """The proxy, its certificate authorities, and whether the environment's is not to be used."""
    from botocore.httpsession import ProxyConfiguration
    from botocore.utils import get_environ_proxies

    settings = config.proxies_config or {}
    if settings.get("proxy_client_cert") or settings.get("proxy_use_forwarding_for_https"):
        raise InvalidName(
            "proxies_config asks for proxy_client_cert or proxy_use_forwarding_for_https, which are"
            " not supported: use a proxy that knows its clients by a login or their address"
        )
    proxies = get_environ_proxies(url) if config.proxies is None else config.proxies
    proxy = ProxyConfiguration(proxies).proxy_url_for(url)
    bundle = settings.get("proxy_ca_bundle")
    return proxy, _read_bundle(bundle).decode() if bundle else None, _names_proxy(os.environ)


def _authorities(access: S3Access, session: Any) -> tuple[bytes | None, bool]:
    """The certificate authorities beside the system's, and whether certificates are verified."""
    verify = access.verify
    if verify is None:
        verify = (
            _bundle_of_profile(session.profile_name) or os.environ.get("REQUESTS_CA_BUNDLE") or True
        )
    if isinstance(verify, bool):
        return None, verify
    return _read_bundle(verify), True


def _bundle_of_profile(profile: str) -> str | None:
    """``AWS_CA_BUNDLE``, or the profile's ``ca_bundle``."""
    from botocore.session import Session

    found: str | None = Session(
        profile=None if profile == "default" else profile
    ).get_config_variable("ca_bundle")
    return found


def _read_bundle(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise WarehouseUnavailable(
            f"the certificate authorities in {path} cannot be read ({error.strerror}):"
            " AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE, ca_bundle of a profile or verify of an Airflow"
            " connection name a PEM file"
        ) from error


def _refuse_unsupported(config: Any, resolved: Any, *, anonymous: bool) -> None:
    if not anonymous and config.signature_version not in _SIGNATURES:
        raise InvalidName(
            "signature_version is not supported: use s3v4, or unsigned for public buckets"
        )
    if resolved.client_cert:
        raise InvalidName(
            "client_cert is not supported for S3: use a server that knows its clients by their keys"
        )


def _said(seconds: float | None) -> float | None:
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


def _names_proxy(environment: Mapping[str, str]) -> bool:
    return any(name.upper() in _PROXIES for name, value in environment.items() if value)


def _profiles_there() -> bool:
    """Whether the user has profiles, where there is no other place for them; no where no home can be looked into."""
    return any(
        os.path.exists(os.path.expanduser(f"~/.aws/{name}")) for name in ("config", "credentials")
    )


def _is_true(value: object) -> bool:
    return str(value).lower() in ("true", "1", "yes")
