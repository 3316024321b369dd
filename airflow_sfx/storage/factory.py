"""Object stores by URI."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import Uri, login_refused, parse_uri
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.local import LocalStore
from airflow_sfx.storage.s3_access import S3Access

_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_FILE = re.compile("file:(?:///|/(?!/))")
_UNREADABLE = re.compile(r"(^|/)\.{0,2}(/|$)|[\x00-\x1f\x7f]")


def open_store(uri: str, access: S3Access | None = None, source: str = "") -> ObjectStore:
    """Open the object store of a URI, without creating anything.

    Args:
        uri: ``file:///path``, ``memory:///`` (which ends with the returned object), or
            ``s3://bucket/prefix``.
        access: How S3 is reached; None for the settings of the AWS environment.
        source: What names the URI, for messages; empty for nothing.

    Returns:
        The store, rooted at the URI's path.

    Raises:
        InvalidName: The URI does not name a supported store.
        WarehouseUnavailable: The path is that of a file, or there are no credentials.

    Example:
        >>> open_store("memory:///").uri
        'memory://'
    """
    store = _store_of(parse_uri(uri, "the URI of a storage"), access)
    store.source = source
    return store


def _store_of(parts: Uri, access: S3Access | None) -> ObjectStore:
    if parts.scheme == "file" and not parts.authority and parts.path.startswith("/"):
        return LocalStore(unquote(parts.path))
    if parts.scheme == "memory":
        from airflow_sfx.storage.object_store import InMemoryStore

        return InMemoryStore()
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.authority) and not parts.options:
        from airflow_sfx.storage.s3 import S3Store

        return S3Store(parts.authority, parts.path.strip("/"), access or S3Access())
    if parts.scheme == "s3" and parts.authority.startswith("arn:"):
        raise InvalidName(
            "the URI of a storage names an access point by its ARN, which catalogs reject: use the"
            " access point's alias, s3://NAME-…-s3alias/prefix"
        )
    raise InvalidName(
        "the URI of a storage is not supported: use file:///absolute/path, s3://bucket/prefix or"
        " memory:///, without options"
    )


def open_place(location: str, near: ObjectStore | None = None) -> tuple[ObjectStore, str]:
    """Open a directory by its location in a metastore, without creating it.

    Args:
        location: The directory's URI, which may have one of Hadoop's S3 schemes. Nothing in it is
            percent-encoded.
        near: The warehouse's store, whose access to S3 is used; None for the AWS environment's.

    Returns:
        A store, which all directories of a bucket share, and the directory's path in it; empty for
        the store's root.

    Raises:
        InvalidName: The URI does not name a supported store, or has a path that no object can have.
        WarehouseUnavailable: There are no credentials.
    """
    scheme, _, rest = location.partition("://")
    if scheme in ("s3", "s3a", "s3n"):
        bucket, _, path = rest.partition("/")
        path = path.strip("/")
        if "@" in unquote(bucket):
            raise login_refused("the location")
        if path and _BUCKET.fullmatch(bucket) and _UNREADABLE.search(path):
            raise InvalidName(
                f"{location!r} has an empty step, a '.' or '..', or a control character, and cannot"
                " be read: move the files"
            )
        return _bucket(bucket, near.access if near else None), path
    if _FILE.match(location):
        path = "/" + location.removeprefix("file:").lstrip("/")
        return _directory(path), ""
    if near is not None and location.startswith(f"{near.uri}/"):
        return near, location.removeprefix(f"{near.uri}/")
    raise InvalidName(
        "the location is not in a supported store: use file:///absolute/path or s3://bucket/prefix"
    )


@lru_cache(maxsize=64)
def _bucket(bucket: str, access: S3Access | None) -> ObjectStore:
    return open_store(f"s3://{bucket}", access)


@lru_cache(maxsize=64)
def _directory(path: str) -> ObjectStore:
    return LocalStore(path)
