"""Warehouses by URI."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, get_args
from urllib.parse import unquote, urlencode

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import Uri, parse_uri
from airflow_sfx.core.paths import PartitionStyle
from airflow_sfx.core.producer import Producer
from airflow_sfx.metastore.factory import check_uri, open_metastore
from airflow_sfx.warehouse.connection import BackfillRuns, Connection, no_backfill_runs
from airflow_sfx.warehouse.current_producer import current_producer
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.storage.s3_access import S3Access

DEFAULT_URI = "embedded://~/.sfx/warehouse"
_IMPOSSIBLE = re.compile("[\x00\ud800-\udfff]")
_EXAMPLE = "embedded:///absolute/path or hive://host:9083?location=s3://bucket/prefix"


def connect(
    uri: str,
    *,
    producer: Callable[[], Producer] | None = None,
    access: S3Access | None = None,
    source: str = "",
    backfill_runs: BackfillRuns = no_backfill_runs,
) -> Warehouse:
    """Open a warehouse.

    Args:
        uri: ``embedded:///path``: a directory, without any service; a ``~`` at the path's
            beginning is the home directory. ``?layout=hive`` names partition directories
            ``key=value`` in new tables. ``hive://host:9083?location=s3://bucket/prefix``: a Hive
            Metastore, with further hosts after commas. ``endpoint_url=`` and ``region=`` name the
            S3 server (default: the AWS environment's), and
            ``auth=KERBEROS&kerberos_service_name=hive`` the authentication.
            ``glue://region?location=s3://bucket/prefix``: the AWS Glue catalog, with
            ``glue_endpoint_url=`` for a server other than Amazon's and ``catalog_id=`` for another
            account's catalog.
        producer: Returns who writes; None for the producer that the process's environment names.
        access: How S3 and AWS are reached; None for the settings of the AWS environment.
        source: What names the warehouse, for messages, such as an Airflow connection; empty for
            nothing.
        backfill_runs: Returns the runs of a backfill.

    Returns:
        The warehouse.

    Raises:
        InvalidName: The URI does not name a warehouse.
        WarehouseUnavailable: The warehouse cannot be opened.

    Example:
        >>> import tempfile
        >>> connect(f"embedded://{tempfile.mkdtemp()}").tables()
        []
    """
    if producer is not None and not callable(producer):
        raise InvalidName(
            f"producer={producer!r:.80} is not a function: pass one that returns a Producer, or"
            " omit it"
        )
    parts = parse_warehouse(uri)
    opened = open_metastore(parts, access, source)
    beside = {name: value for name, value in parts.options.items() if name != "location"}
    shown = opened.uri
    if beside:  # the displayed URI opens the same warehouse
        shown += f"{'&' if '?' in shown else '?'}{urlencode(beside, safe=':/')}"
    style: PartitionStyle = "hive" if parts.options.get("layout") == "hive" else "value"
    who = partial(current_producer, os.environ) if producer is None else producer
    return Warehouse(Connection(shown, opened.store, opened.metastore, who, style, backfill_runs))


def parse_warehouse(uri: str, what: str = "the warehouse's URI") -> Uri:
    """Parse a warehouse's URI without opening anything.

    Args:
        uri: The URI, as for `connect`.
        what: What it is, for messages, which repeat nothing of it.

    Returns:
        The parts of the URI.

    Raises:
        InvalidName: It does not name a warehouse, or contains more than that, such as a password.

    Example:
        >>> parse_warehouse("hive://one:9083,two?location=s3://bucket/prefix").authority
        'one:9083,two'
    """
    if not isinstance(uri, str):
        raise InvalidName(
            f"a {type(uri).__name__} is not a URI: pass text, such as 'embedded:///absolute/path'"
        )
    if _IMPOSSIBLE.search(unquote(uri)):
        raise InvalidName(
            f"{what} has a null character or half a surrogate pair, which no path can have:"
            " remove it"
        )
    parts = parse_uri(uri, what, _EXAMPLE)
    check_uri(parts, what, {"layout": _check_layout})
    return parts


def _check_layout(value: str, option: str, what: str) -> None:
    if value not in get_args(PartitionStyle):
        raise InvalidName(
            f"{option}= of {what} is not a layout: use value (20161031) or hive (date=20161031)"
        )
