"""Which warehouse a URI means."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlencode

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.timeouts import Timeouts
from airflow_sfx.core.io.uris import Uri, is_host, parse_uri, server_url
from airflow_sfx.core.paths import PartitionStyle
from airflow_sfx.core.producer import Producer
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.factory import open_store
from airflow_sfx.warehouse.connection import BackfillRuns, Connection, no_backfill_runs
from airflow_sfx.warehouse.current_producer import current_producer
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.storage.s3 import S3Access

DEFAULT_URI = "embedded://~/.sfx/warehouse"
_LOGIN: tuple[str, ...] = ("auth", "kerberos_service_name")
_S3_OPTIONS = ("location", "endpoint_url", "region")
_OPTIONS = {
    "embedded": ("layout",),
    "hive": (*_S3_OPTIONS, *_LOGIN, "layout"),
    "glue": (*_S3_OPTIONS, "glue_endpoint_url", "catalog_id", "layout"),
}
_URIS = {"location", "endpoint_url", "glue_endpoint_url"}
_REGION = re.compile("[a-z0-9-]+")
_WORD = re.compile(r"[A-Za-z0-9._-]+")
CATALOG_FILE = "_sfx/metastore.sqlite"


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
        uri: ``embedded:///path``: a directory with everything in it, no service needed; ``~`` at
            the path's beginning is the home directory. ``?layout=hive`` names partition directories
            ``key=value`` in new tables. ``hive://host:9083?location=s3://bucket/prefix``: a Hive
            Metastore, further hosts after a comma, with ``endpoint_url=`` and ``region=`` of the S3
            server where the AWS environment does not say, and
            ``auth=KERBEROS&kerberos_service_name=hive``.
            ``glue://region?location=s3://bucket/prefix``: the AWS Glue catalog, with
            ``glue_endpoint_url=`` where it is not Amazon's and ``catalog_id=`` where it is another
            account's.
        producer: Who writes; from the process's environment where nobody says.
        access: How S3 is reached, where neither the URI nor the AWS environment says.
        source: What names the warehouse, for messages: an Airflow connection.
        backfill_runs: Returns the runs of a backfill.

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
    if producer is not None and not callable(producer):
        raise InvalidName(
            f"producer={producer!r:.80} is no function: pass one that gives a Producer, or leave"
            " it out"
        )
    parts = parse_warehouse(uri)
    options = dict(parts.options)
    shown_options = {name: value for name, value in options.items() if name != "location"}
    style = _style(options)
    if parts.scheme == "hive":
        store, metastore, shown = _hive(parts.authority, options, access, source)
    elif parts.scheme == "glue":
        store, metastore, shown = _glue(parts.authority, options, access)
    else:
        store, metastore, shown = _embedded(parts)
    if shown_options:  # opening the URI that is shown gives the same warehouse
        shown += f"{'&' if '?' in shown else '?'}{urlencode(shown_options, safe=':/')}"
    who = partial(current_producer, os.environ) if producer is None else producer
    return Warehouse(Connection(shown, store, metastore, who, style, backfill_runs))


_UNNAMEABLE = re.compile("[\x00\ud800-\udfff]")
_EXAMPLE = "embedded:///absolute/path or hive://host:9083?location=s3://bucket/prefix"


def parse_warehouse(uri: str, what: str = "the warehouse's URI") -> Uri:
    """Read a warehouse's URI, without opening anything.

    Args:
        uri: The URI, as `connect` takes it.
        what: What it is, for messages, which repeat nothing of it.

    Returns:
        Its parts, without a login.

    Raises:
        InvalidName: It names no warehouse, or holds something that is not part of one's name, such
            as a password.

    Example:
        >>> parse_warehouse("hive://one:9083,two?location=s3://bucket/prefix").authority
        'one:9083,two'
    """
    if not isinstance(uri, str):
        raise InvalidName(
            f"a {type(uri).__name__} is not a URI: pass text, such as 'embedded:///absolute/path'"
        )
    if _UNNAMEABLE.search(unquote(uri)):
        raise InvalidName(
            f"{what} has a null character or half a surrogate pair, which no path can have:"
            " remove it"
        )
    parts = parse_uri(uri, what, _EXAMPLE)
    known = _OPTIONS.get(parts.scheme)
    if known is None:
        raise InvalidName(
            f"{what} names no warehouse: use embedded:///absolute/path for one in a directory, or "
            "hive://host:9083?location=s3://bucket/prefix for a Hive Metastore, or "
            "glue://region?location=s3://bucket/prefix for AWS Glue"
        )
    if parts.options.keys() - set(known):
        raise InvalidName(
            f"{what} has an option that is not known: those of {parts.scheme}:// are"
            f" {', '.join(known)}"
        )
    if parts.scheme != "embedded" and parts.path.strip("/"):
        raise InvalidName(
            f"{what} has a path: the place of the data is the option location=s3://bucket/prefix"
        )
    if "location" in parts.options:
        parse_uri(parts.options["location"], "location=")
    for name in parts.options.keys() & _URIS - {"location"}:
        server_url(parts.options[name], f"{name}=")
    for name in parts.options.keys() - _URIS:
        if not (_REGION if name == "region" else _WORD).fullmatch(parts.options[name]):
            raise InvalidName(
                f"{name}= of {what} has a value that it cannot have: use letters, digits, -, _"
                " and ."
            )
    if (
        parts.scheme == "hive"
        and parts.authority
        and not all(map(is_host, parts.authority.split(",")))
    ):
        raise InvalidName(
            f"{what} has a host that is not one: write host or host:port, as in"
            " hive://one:9083,two:9083?location=s3://bucket"
        )
    if parts.scheme == "glue" and not _REGION.fullmatch(parts.authority):
        raise InvalidName(
            f"{what} names no region: write glue://eu-west-1?location=s3://bucket/prefix"
        )
    return parts


def _embedded(parts: Uri) -> tuple[ObjectStore, Metastore, str]:
    from airflow_sfx.metastore.embedded import EmbeddedMetastore

    path = os.path.expanduser(unquote(parts.authority + parts.path))
    if not path.startswith("/"):
        raise InvalidName(
            "the warehouse's URI has no absolute path: use embedded:///absolute/path, with three"
            " slashes"
        )
    store = open_store(f"file://{quote(path)}")
    shown = re.sub(
        "[%#?]", lambda found: quote(found.group()), path
    )  # readable, and opens the same again
    return store, EmbeddedMetastore(f"{path}/{CATALOG_FILE}", store.uri), f"embedded://{shown}"


def _hive(
    netloc: str, options: dict[str, str], access: S3Access | None, source: str
) -> tuple[ObjectStore, Metastore, str]:
    from airflow_sfx.metastore.hive import HiveMetastore
    from airflow_sfx.metastore.hive_client import Address

    login = {name: options.pop(name, "") for name in _LOGIN if name in options}
    address = Address.parse(netloc, login, source)
    store = open_store(_location(options), _access(options, access))
    shown = f"hive://{address}?location={store.uri}"
    return store, HiveMetastore(address, store.uri), shown


def _glue(
    region: str, options: dict[str, str], access: S3Access | None
) -> tuple[ObjectStore, Metastore, str]:
    from airflow_sfx.metastore.glue import GlueMetastore

    endpoint, catalog = options.pop("glue_endpoint_url", None), options.pop("catalog_id", None)
    given = _access(options, access)
    given = replace(
        given,
        region=given.region or region,
        glue_endpoint=endpoint or given.glue_endpoint,
        glue_catalog=catalog or given.glue_catalog,
    )
    store = open_store(_location(options), given)
    client = partial(_glue_client, given, region)
    metastore = GlueMetastore(client, store.uri, given.glue_catalog)
    return store, metastore, f"glue://{region}?location={store.uri}"


def _glue_client(access: S3Access, region: str, limits: Timeouts) -> object:
    from botocore.config import Config

    from airflow_sfx.storage.aws_config import made_client, session_of

    ours = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=limits.connect,
        read_timeout=limits.answer,
    )
    config = ours if access.config is None else access.config.merge(ours)
    return made_client("glue", session_of(access), access, config, region, access.glue_endpoint)


def _location(options: dict[str, str]) -> str:
    location = options.pop("location", "").rstrip("/")
    if not location:
        raise InvalidName(
            "the URI does not say where the data lie: add ?location=s3://bucket/prefix"
        )
    return location


def _access(options: dict[str, str], access: S3Access | None) -> S3Access:
    """What the URI's options say of S3, over what the caller says."""
    from airflow_sfx.storage.s3 import S3Access

    endpoint, region = options.pop("endpoint_url", None), options.pop("region", None)
    given = access or S3Access()
    return replace(given, endpoint=endpoint or given.endpoint, region=region or given.region)


def _style(options: dict[str, str]) -> PartitionStyle:
    layout = options.pop("layout", "value")
    if layout == "hive":
        return "hive"
    if layout == "value":
        return "value"
    raise InvalidName("layout= is not a layout: use value (20161031) or hive (date=20161031)")
