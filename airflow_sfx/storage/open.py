"""Which storage a URI means."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.storage.store import Store

if TYPE_CHECKING:
    from airflow_sfx.storage.s3 import S3Access


def open_store(uri: str, access: S3Access | None = None) -> Store:
    """Open the storage that a URI names.

    Args:
        uri: ``file:///path``, ``memory:///`` (gone with the returned object), or ``s3://bucket/prefix``.
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
    parts = urlsplit(uri)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        from airflow_sfx.storage.files import FileStorage

        return FileStorage(unquote(parts.path))
    if parts.scheme == "memory":
        from obstore.store import MemoryStore

        from airflow_sfx.storage.objects import ObjectStorage

        return ObjectStorage(MemoryStore(), uri)
    if parts.scheme == "s3" and parts.netloc:
        from airflow_sfx.storage.s3 import S3Access, open_s3

        return open_s3(parts.netloc, parts.path.strip("/"), access or S3Access())
    raise InvalidName(f"{uri!r} names no storage: use file:///absolute/path, s3://bucket/prefix or memory:///")
