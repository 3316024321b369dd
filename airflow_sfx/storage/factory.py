"""Which storage a URI means."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import login_refused, parse_uri
from airflow_sfx.storage.base import ObjectStore

if TYPE_CHECKING:
    from airflow_sfx.storage.s3 import S3Access

_BUCKET = re.compile(r"[A-Za-z0-9._-]+")
_FILE = re.compile("file:(?:///|/(?!/))")
_NO_PATH = re.compile(r"(^|/)\.{0,2}(/|$)|[\x00-\x1f\x7f]")


def open_store(uri: str, access: S3Access | None = None) -> ObjectStore:
    """Open the storage that a URI names.

    Args:
        uri: ``file:///path``, ``memory:///`` (gone with the returned object), or
            ``s3://bucket/prefix``.
        access: How S3 is reached; None for what the usual AWS environment says.

    Returns:
        The store, rooted at the URI's path.

    Raises:
        InvalidName: The URI names no storage that is known here.
        WarehouseUnavailable: The directory cannot be made, or there are no credentials.

    Example:
        >>> open_store("memory:///").uri
        'memory://'
    """
    parts = parse_uri(uri, "the URI of a storage")
    if parts.scheme == "file" and not parts.authority and parts.path.startswith("/"):
        from airflow_sfx.storage.local import LocalStore

        return LocalStore(unquote(parts.path))
    if parts.scheme == "memory":
        from obstore.store import MemoryStore

        from airflow_sfx.storage.object_store import RemoteStore

        return RemoteStore(MemoryStore(), "memory:///")
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.authority) and not parts.options:
        from airflow_sfx.storage.s3 import S3Access, open_s3

        return open_s3(parts.authority, parts.path.strip("/"), access or S3Access())
    if parts.scheme == "s3" and parts.authority.startswith("arn:"):
        raise InvalidName(
            "the URI of a storage names an access point by its ARN, which no catalog takes: use the"
            " access point's alias, s3://NAME-…-s3alias/prefix"
        )
    raise InvalidName(
        "the URI of a storage names no storage: use file:///absolute/path, s3://bucket/prefix or"
        " memory:///, without options"
    )


def open_place(location: str, access: S3Access | None = None) -> tuple[ObjectStore, str]:
    """A directory as a metastore names it: Hadoop's S3 schemes too, and nothing in it percent-encoded. It is not made.

    Args:
        location: The directory's URI.
        access: How S3 is reached.

    Returns:
        A storage, shared by all directories of a bucket, and the directory's path in it.

    Raises:
        InvalidName: The URI names no storage that is known here, or a path that no object can have.
        WarehouseUnavailable: There are no credentials.
    """
    scheme, _, rest = location.partition("://")
    if scheme in ("s3", "s3a", "s3n"):
        bucket, _, path = rest.partition("/")
        path = path.strip("/")
        if "@" in unquote(bucket):
            raise login_refused("the location")
        if path and _BUCKET.fullmatch(bucket) and _NO_PATH.search(path):
            raise InvalidName(
                f"{location!r} has an empty step, a '.' or '..', or a control character, and cannot"
                " be read: move the files"
            )
        return _bucket(bucket, access), path
    if _FILE.match(location):
        path = "/" + location.removeprefix("file:").lstrip("/")
        return _directory(path), ""
    raise InvalidName(
        "the location names no storage that is known here: use file:///absolute/path or"
        " s3://bucket/prefix"
    )


@lru_cache(maxsize=64)
def _bucket(bucket: str, access: S3Access | None) -> ObjectStore:
    return open_store(f"s3://{bucket}", access)


@lru_cache(maxsize=64)
def _directory(path: str) -> ObjectStore:
    from airflow_sfx.storage.local import LocalStore

    return LocalStore(path, make=False)
