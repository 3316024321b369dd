"""How a metastore's URIs are checked and opened: its part of the factory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import Uri, parse_uri, server_url
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.s3_access import S3Access

REGION = re.compile("[a-z0-9-]+")
_WORD = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Opened:
    """A metastore, and the object store with its tables' files.

    Args:
        metastore: The metastore.
        store: The object store, rooted at the warehouse's location.
        uri: A URI without secrets that opens both again, except for options like an endpoint.
    """

    metastore: Metastore
    store: ObjectStore
    uri: str


OptionCheck = Callable[[str, str, str], None]
"""Raises `InvalidName` for a bad value; called with the value, the option and what has it."""


@dataclass(frozen=True, slots=True)
class Opener:
    """How the URIs of one scheme are checked and opened.

    Args:
        example: A URI, and what it opens, for messages.
        options: The names of the URI's options, each with the check of its value.
        check: Raises `InvalidName` for a URI whose other parts are wrong; called with the URI and
            what it is, for messages, which repeat nothing of it.
        open: Opens a URI that passed the checks; called with the URI, how S3 is reached (None for
            the AWS environment), and what names the URI, for messages (empty for nothing).
    """

    example: str
    options: Mapping[str, OptionCheck]
    check: Callable[[Uri, str], None]
    open: Callable[[Uri, S3Access | None, str], Opened]


def check_location(value: str, option: str, what: str) -> None:
    """Reject a value that is not the URI of an object store."""
    parse_uri(value, f"{option}=")


def check_server(value: str, option: str, what: str) -> None:
    """Reject a value that is not the address of a server."""
    server_url(value, f"{option}=")


def check_region(value: str, option: str, what: str) -> None:
    """Reject a value that is not the name of an AWS region."""
    _match(REGION, value, option, what)


def check_word(value: str, option: str, what: str) -> None:
    """Reject a value with other characters than letters, digits and ``-_.``."""
    _match(_WORD, value, option, what)


def _match(pattern: re.Pattern[str], value: str, option: str, what: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidName(
            f"{option}= of {what} has an invalid value: use letters, digits, -, _ and ."
        )


S3_OPTIONS: Mapping[str, OptionCheck] = {
    "location": check_location,
    "endpoint_url": check_server,
    "region": check_region,
}
"""The options of a URI whose tables' files are in S3."""


def refuse_path(uri: Uri, what: str) -> None:
    """Reject a URI with a path, if its files are at the option ``location``."""
    if uri.path.strip("/"):
        raise InvalidName(
            f"{what} has a path: name the directory of the data by the option"
            " location=s3://bucket/prefix"
        )


def location_of(uri: Uri) -> str:
    """Return the option ``location``.

    Raises:
        InvalidName: The URI has none.
    """
    location = uri.options.get("location", "").rstrip("/")
    if not location:
        raise InvalidName(
            "the URI does not name the directory of the data: add ?location=s3://bucket/prefix"
        )
    return location


def access_of(uri: Uri, access: S3Access | None) -> S3Access:
    """Return the S3 settings of the caller, replaced by those in a URI's options.

    Args:
        uri: The URI.
        access: The caller's settings; None for those of the AWS environment.
    """
    given = access or S3Access()
    return replace(
        given,
        endpoint=uri.options.get("endpoint_url") or given.endpoint,
        region=uri.options.get("region") or given.region,
    )
