"""The URIs of Hive Metastores; Thrift is imported only when one is opened."""

from __future__ import annotations

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import Uri, is_host
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.opener import (
    S3_OPTIONS,
    Opened,
    Opener,
    access_of,
    check_word,
    location_of,
    refuse_path,
)
from airflow_sfx.storage.factory import open_store
from airflow_sfx.storage.s3_access import S3Access


def _check(uri: Uri, what: str) -> None:
    refuse_path(uri, what)
    if uri.authority and not all(map(is_host, uri.authority.split(","))):
        raise InvalidName(
            f"{what} has an invalid host: write host or host:port, as in"
            " hive://one:9083,two:9083?location=s3://bucket"
        )


def _open(uri: Uri, access: S3Access | None, source: str) -> Opened:
    from airflow_sfx.metastore.hive.metastore import HiveMetastore

    address = Address.parse(uri.authority, uri.options, source)
    store = open_store(location_of(uri), access_of(uri, access), source)
    return Opened(
        HiveMetastore(address, store.uri), store, f"hive://{address}?location={store.uri}"
    )


OPENER = Opener(
    "hive://host:9083?location=s3://bucket/prefix (a Hive Metastore)",
    {**S3_OPTIONS, "auth": check_word, "kerberos_service_name": check_word},
    _check,
    _open,
)
