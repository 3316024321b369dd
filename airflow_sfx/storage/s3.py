"""S3, and servers that speak its protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from airflow_sfx.core.io.timeouts import TRY_SECONDS, UPLOAD_SECONDS, Timeouts, timeouts
from airflow_sfx.storage.aws_config import S3Endpoint, resolve_s3
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.multipart import Uploads
from airflow_sfx.storage.object_store import RemoteStore
from airflow_sfx.storage.s3_access import S3Access

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3Store as ObstoreS3

_LONGEST_PAUSE = timedelta(seconds=3)
_UNLIMITED = 10_000
"""The number of retries, which time alone limits."""
_LARGE_BYTES = 1 << 20
"""From this size on, an upload gets `UPLOAD_SECONDS`."""
_VISIBLE_WITHIN_SECONDS = 5.0
"""S3 shows an object once it is written; a replica or cache in front of another server may not."""
_EVERY_HOST = "*,0.0.0.0/0,::/0"
"""All hosts by name and address, which exclude a proxy so that the environment's is not used."""
_WHOLE_SECONDS = 3600.0
"""The time to read a whole object; the request ends sooner if no data arrives."""


class S3Store(RemoteStore):
    """An object store in an S3 bucket, or below a prefix of one.

    Args:
        bucket: The bucket, or an access point's alias.
        prefix: The prefix, without slashes at its ends; empty for the whole bucket.
        access: How S3 is reached.

    Raises:
        InvalidName: The endpoint holds a user name or a password, or the configuration asks for
            something that is not supported.
        WarehouseUnavailable: There are no credentials.
    """

    visibility_seconds = _VISIBLE_WITHIN_SECONDS

    def __init__(self, bucket: str, prefix: str, access: S3Access) -> None:
        endpoint = resolve_s3(bucket, access)
        self._clients = lru_cache(maxsize=4)(partial(_client, bucket, prefix, endpoint))
        uri = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        super().__init__(self._clients(Timeouts(), upload=False), uri)
        self._bucket, self._prefix, self.access = bucket, prefix, access

    def unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Return objects of unfinished uploads; see `ObjectStore.unfinished`."""
        return self._unfinished(directory, before, mine, delete=False)

    def delete_unfinished(
        self,
        directory: str,
        before: datetime | None = None,
        mine: Callable[[str], bool] | None = None,
    ) -> Sequence[str]:
        """Abort such uploads, which deletes their parts, and return their objects."""
        return self._unfinished(directory, before, mine, delete=True)

    def opener(self) -> Callable[[], ObjectStore]:
        """Return what opens the root with another process's own credentials."""
        assert self.access is not None
        return partial(
            S3Store, self._bucket, self._prefix, replace(self.access, session=None, config=None)
        )

    def _client(self, sent: int = 0) -> ObstoreS3:
        limits = timeouts()
        if limits.total < TRY_SECONDS:
            return self._clients(limits, upload=False)
        return self._clients(Timeouts(), upload=sent >= _LARGE_BYTES)

    def _unfinished(
        self,
        directory: str,
        before: datetime | None,
        mine: Callable[[str], bool] | None,
        *,
        delete: bool,
    ) -> Sequence[str]:
        assert self.access is not None
        base = f"{self._prefix}/" if self._prefix else ""
        uploads = Uploads(self._bucket, self.access)
        found = uploads.below(f"{base}{directory}/" if directory else base)
        begun = (one for one in found if before is None or one.begun < before)
        due = {one: one.key.removeprefix(base) for one in begun}
        due = {one: path for one, path in due.items() if mine is None or mine(path)}
        if delete:
            map_concurrently(uploads.abort, list(due), self.concurrency)
        return sorted(set(due.values()))


def _client(
    bucket: str, prefix: str, endpoint: S3Endpoint, limits: Timeouts, *, upload: bool
) -> ObstoreS3:
    from obstore.store import S3Store as ObstoreS3

    return ObstoreS3(
        bucket,
        prefix=prefix or None,
        credential_provider=endpoint.credentials,
        config=_config(endpoint),
        client_options=_client_options(
            endpoint, limits, UPLOAD_SECONDS if upload else limits.answer
        ),
        retry_config={
            "max_retries": _UNLIMITED if endpoint.attempts is None else endpoint.attempts - 1,
            "retry_timeout": timedelta(seconds=limits.total),
            "backoff": {"max_backoff": _LONGEST_PAUSE},
        },
    )


def _config(endpoint: S3Endpoint) -> S3Config:
    """Return every setting explicitly.

    obstore itself reads variables that boto3 does not, and prefers some of them to its arguments.
    """
    settings = endpoint.settings
    config: S3Config = {
        "region": endpoint.region,
        "endpoint": endpoint.bucket_url,
        "aws_endpoint_url_s3": endpoint.bucket_url,
        # The bucket is part of the URL already, in its host or its path.
        "virtual_hosted_style_request": True,
        "skip_signature": endpoint.credentials is None,
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


def _client_options(endpoint: S3Endpoint, limits: Timeouts, answer: float) -> ClientConfig:
    short = limits.total < TRY_SECONDS
    options: ClientConfig = {
        "allow_http": endpoint.bucket_url.startswith("http://"),
        "allow_invalid_certificates": not endpoint.verified,
        "connect_timeout": timedelta(seconds=endpoint.connect_timeout or limits.connect),
        "read_timeout": timedelta(seconds=endpoint.read_timeout or answer),
        "timeout": timedelta(seconds=limits.total if short else _WHOLE_SECONDS),
    }
    if endpoint.authorities is not None:
        options["root_certificate"] = endpoint.authorities
    if endpoint.proxy is not None:
        options["proxy_url"] = endpoint.proxy
    if endpoint.proxy_authorities is not None:
        options["proxy_ca_certificate"] = endpoint.proxy_authorities
    if endpoint.proxy is None and endpoint.without_proxy:
        options["proxy_url"], options["proxy_excludes"] = "http://127.0.0.1:9", _EVERY_HOST
    return options
