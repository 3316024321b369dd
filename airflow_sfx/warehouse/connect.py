"""Which warehouse a URI means."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.layout import PartitionStyle
from airflow_sfx.core.producer import Producer
from airflow_sfx.metastore.metastore import Metastore
from airflow_sfx.storage.open import open_store
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.identity import current_producer
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.storage.s3 import S3Access

DEFAULT_URI = "embedded://~/.sfx/warehouse"
_LOGIN: tuple[str, ...] = ("auth", "kerberos_service_name")
CATALOG_FILE = "_sfx/metastore.sqlite"


def connect(
    uri: str,
    *,
    producer: Callable[[], Producer] | None = None,
    access: S3Access | None = None,
    source: str = "",
) -> Warehouse:
    """Open a warehouse.

    Args:
        uri: ``embedded:///path``: a directory with everything in it, no service needed; ``~`` at the path's beginning is
            the home directory. ``?layout=hive`` names partition directories ``key=value`` in new tables.
            ``hive://host:9083?location=s3://bucket/prefix``: a Hive Metastore, further hosts after a comma, with
            ``endpoint_url=`` and ``region=`` of the S3 server where the AWS environment does not say, and
            ``auth=KERBEROS&kerberos_service_name=hive``. ``glue://region?location=s3://bucket/prefix``: the AWS Glue
            catalog, with ``glue_endpoint_url=`` where it is not Amazon's.
        producer: Who writes; from the process's environment where nobody says.
        access: How S3 is reached, where neither the URI nor the AWS environment says.
        source: What names the warehouse, for messages: an Airflow connection.

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
    if not isinstance(uri, str):
        raise InvalidName(f"{uri!r:.120} is not a URI: pass text, such as 'embedded:///absolute/path'")
    parts = urlsplit(uri)
    options = _options(uri, parts.query)
    _refuse_logins(parts.netloc, *options.items())
    told = {name: value.partition("?")[0] for name, value in options.items() if name != "location"}
    style = _style(options)
    if parts.scheme == "hive":
        store, metastore, shown = _hive(parts.netloc, options, access, source)
    elif parts.scheme == "glue":
        store, metastore, shown = _glue(parts.netloc, options, access)
    elif parts.scheme == "embedded":
        store, metastore, shown = _embedded(uri, parts)
    else:
        raise InvalidName(
            f"{_without_secrets(uri)!r} names no warehouse: use embedded:///absolute/path for one in a directory, or "
            "hive://host:9083?location=s3://bucket/prefix for a Hive Metastore, or "
            "glue://region?location=s3://bucket/prefix for AWS Glue"
        )
    if options:
        raise InvalidName(f"unknown option {', '.join(sorted(options))} of a warehouse's URI ({parts.scheme}://…)")
    if told:  # who opens it again by what it is called gets the same
        shown += f"{'&' if '?' in shown else '?'}{urlencode(told, safe=':/')}"
    return Warehouse(
        shown, store, metastore, partition_style=style, producer=producer or (lambda: current_producer(os.environ))
    )


def _embedded(uri: str, parts: SplitResult) -> tuple[Store, Metastore, str]:
    from airflow_sfx.metastore.embedded import EmbeddedMetastore

    path = os.path.expanduser(unquote(parts.netloc + parts.path))
    if parts.fragment or uri.endswith("#"):
        raise InvalidName(f"{uri!r} has a #, which ends a URI's path: write %23 where it belongs to the path")
    if not path.startswith("/"):
        raise InvalidName(f"{uri!r} has no absolute path: use embedded:///absolute/path, with three slashes")
    store = open_store(f"file://{quote(path)}")
    shown = re.sub("[%#?]", lambda found: quote(found.group()), path)  # readable, and opens the same again
    return store, EmbeddedMetastore(f"{path}/{CATALOG_FILE}", store.uri), f"embedded://{shown}"


def _hive(netloc: str, options: dict[str, str], access: S3Access | None, source: str) -> tuple[Store, Metastore, str]:
    from airflow_sfx.metastore.hive import HiveMetastore
    from airflow_sfx.metastore.hive_client import Address

    login = {name: options.pop(name, "") for name in _LOGIN if name in options}
    address = Address.parse(netloc, login, source)
    store = open_store(_location(options), _access(options, access))
    shown = f"hive://{address}?location={store.uri}"
    return store, HiveMetastore(address, store.uri), shown


def _glue(region: str, options: dict[str, str], access: S3Access | None) -> tuple[Store, Metastore, str]:
    from airflow_sfx.metastore.glue import GlueMetastore

    if not region:
        raise InvalidName("a glue:// URI names the region: glue://eu-west-1?location=s3://bucket/prefix")
    endpoint = options.pop("glue_endpoint_url", None)
    given = _access(options, access)
    store = open_store(_location(options), replace(given, region=given.region or region))

    def client() -> object:
        import boto3
        from botocore.config import Config

        from airflow_sfx.storage.s3 import refuse_login

        session = given.session() if given.session else boto3.Session()
        config = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=5, read_timeout=60)
        made = session.client("glue", region_name=region, endpoint_url=endpoint, config=config)
        refuse_login(made.meta.endpoint_url, "the endpoint of Glue")  # the environment or a profile may have said it
        return made

    return store, GlueMetastore(client, store.uri), f"glue://{region}?location={store.uri}"


def _location(options: dict[str, str]) -> str:
    location = options.pop("location", "").rstrip("/")
    if not location:
        raise InvalidName("the URI does not say where the data lie: add ?location=s3://bucket/prefix")
    return location


def _access(options: dict[str, str], access: S3Access | None) -> S3Access:
    """What the URI's options say of S3, over what the caller says."""
    from airflow_sfx.storage.s3 import S3Access

    endpoint, region = options.pop("endpoint_url", None), options.pop("region", None)
    given = access or S3Access()
    return replace(given, endpoint=endpoint or given.endpoint, region=region or given.region)


def _options(uri: str, query: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(query, strict_parsing=bool(query)))
    except ValueError as error:
        raise InvalidName(f"the options of {_without_secrets(uri)!r} are not name=value&name=value: {error}") from error


def _refuse_logins(netloc: str, *options: tuple[str, str]) -> None:
    """Refuse a user name, a key or a password anywhere, without showing it."""
    places = [("the URI", netloc), *((f"{name}=", urlsplit(value).netloc) for name, value in options)]
    for where, found in places:
        if "@" in found:
            raise InvalidName(
                f"{where} holds a user name or a password before the host or bucket: leave them out, URIs are logged and "
                "stored; keys come from the AWS environment or an Airflow connection"
            )


def _style(options: dict[str, str]) -> PartitionStyle:
    layout = options.pop("layout", "value")
    if layout == "hive":
        return "hive"
    if layout == "value":
        return "value"
    raise InvalidName(f"layout={layout!r} is not a layout: use value (20161031) or hive (date=20161031)")


def _without_secrets(uri: str) -> str:
    scheme, separator, _ = uri.partition("://")
    if separator:
        return f"{scheme}://…"
    return "…" if "@" in uri or "?" in uri else uri
