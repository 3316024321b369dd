"""Which warehouse a URI means."""

from __future__ import annotations

import os
from collections.abc import Callable
from urllib.parse import parse_qs, unquote, urlsplit

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.layout import PartitionStyle
from airflow_sfx.core.producer import Producer
from airflow_sfx.storage.open import open_store
from airflow_sfx.warehouse.identity import current_producer
from airflow_sfx.warehouse.warehouse import Warehouse

DEFAULT_URI = "embedded://~/.sfx/warehouse"
CATALOG_FILE = "_sfx/metastore.sqlite"


def connect(uri: str, *, producer: Callable[[], Producer] | None = None) -> Warehouse:
    """Open a warehouse.

    Args:
        uri: ``embedded:///path``: a directory with everything in it, no service needed; ``~`` at the path's beginning is
            the home directory. ``?layout=hive`` names partition directories ``key=value`` in new tables.
        producer: Who writes; from the process's environment where nobody says.

    Returns:
        The warehouse.

    Raises:
        InvalidName: The URI names no warehouse that is known here.
        WarehouseUnavailable: It cannot be opened.

    Example:
        >>> import tempfile
        >>> connect(f"embedded://{tempfile.mkdtemp()}").tables()
        []
    """
    parts = urlsplit(uri)
    if parts.scheme != "embedded":
        raise InvalidName(
            f"{_without_secrets(uri)!r} names no warehouse: use embedded:///absolute/path for one in a directory"
        )
    path = os.path.expanduser(unquote(parts.netloc + parts.path))
    if not path.startswith("/"):
        raise InvalidName(f"{uri!r} has no absolute path: use embedded:///absolute/path, with three slashes")
    from airflow_sfx.metastore.embedded import EmbeddedMetastore

    store = open_store(f"file://{path}")
    return Warehouse(
        f"embedded://{path}",
        store,
        EmbeddedMetastore(f"{path}/{CATALOG_FILE}"),
        partition_style=_style(parts.query),
        producer=producer or (lambda: current_producer(os.environ)),
    )


def _style(query: str) -> PartitionStyle:
    options = parse_qs(query, strict_parsing=bool(query))
    layout = options.pop("layout", ["value"])[-1]
    if options:
        raise InvalidName(f"unknown option {', '.join(sorted(options))} of an embedded warehouse: it has layout=")
    if layout == "hive":
        return "hive"
    if layout == "value":
        return "value"
    raise InvalidName(f"layout={layout!r} is not a layout: use value (20161031) or hive (date=20161031)")


def _without_secrets(uri: str) -> str:
    return f"{uri.partition('://')[0]}://…"
