"""Metastores by URI."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import Uri
from airflow_sfx.metastore import embedded, glue
from airflow_sfx.metastore.hive import uri as hive
from airflow_sfx.metastore.opener import Opened, Opener, OptionCheck
from airflow_sfx.storage.s3_access import S3Access

OPENERS: Mapping[str, Opener] = {
    "embedded": embedded.OPENER,
    "hive": hive.OPENER,
    "glue": glue.OPENER,
}
"""The metastores, by the scheme of their URIs."""


def check_uri(uri: Uri, what: str, further: Mapping[str, OptionCheck]) -> None:
    """Check a metastore's URI without opening it.

    Args:
        uri: The URI.
        what: What it is, for messages, which repeat nothing of it.
        further: Options that the caller interprets, with the checks of their values.

    Raises:
        InvalidName: The scheme is unknown, or a part of the URI is wrong.
    """
    opener = OPENERS.get(uri.scheme)
    if opener is None:
        examples = ", ".join(one.example for one in OPENERS.values())
        raise InvalidName(f"{what} names no warehouse: use one of {examples}")
    options = {**opener.options, **further}
    if uri.options.keys() - options.keys():
        raise InvalidName(
            f"{what} has an unknown option: those of {uri.scheme}:// are {', '.join(options)}"
        )
    for name, value in uri.options.items():
        options[name](value, name, what)
    opener.check(uri, what)


def open_metastore(uri: Uri, access: S3Access | None = None, source: str = "") -> Opened:
    """Open the metastore of a URI, and the object store of its tables.

    Args:
        uri: A URI that passed `check_uri`.
        access: How S3 and AWS are reached; None for the settings of the AWS environment.
        source: What names the URI, for messages, such as an Airflow connection; empty for nothing.

    Returns:
        The metastore and the store.

    Raises:
        InvalidName: The URI does not name what is needed to open it.
        WarehouseUnavailable: The metastore or the store cannot be opened.
    """
    return OPENERS[uri.scheme].open(uri, access, source)
