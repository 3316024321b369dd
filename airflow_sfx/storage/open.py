"""Which storage a URI means."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.storage.store import Store


def open_store(uri: str) -> Store:
    """Open the storage that a URI names.

    Args:
        uri: ``file:///path``, ``memory:///`` (gone with the returned object), or ``s3://bucket/prefix`` with endpoint
            and credentials from the usual AWS environment variables.

    Returns:
        The store, rooted at the URI's path.

    Raises:
        InvalidName: The URI names no storage that is known here.
        WarehouseUnavailable: The directory cannot be made.

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
        from obstore.store import S3Store

        from airflow_sfx.storage.objects import ObjectStorage

        return ObjectStorage(S3Store(parts.netloc, prefix=parts.path.strip("/") or None), uri)
    raise InvalidName(f"{uri!r} names no storage: use file:///absolute/path, s3://bucket/prefix or memory:///")
