"""URIs, which are parsed strictly and never displayed with a secret.

`parse_uri` parses URIs that users write. Until it succeeds, no message, log or cause of an error
repeats any part of the URI, as a secret in an unexpected place cannot be recognized. URIs that
other programs wrote, such as a metastore's locations, are displayed and stored as `clean_uri`
returns them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from airflow_sfx.core.errors import InvalidName

_FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?")
_OPTION = re.compile(r"[a-z_]+")
_LOGIN = re.compile(r":.*@", re.DOTALL)
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*")
_CONTAINERS = re.compile(rf"(?:abfs|wasb)s?://[A-Za-z0-9$_-]+@{_HOST}(?:/.*)?", re.DOTALL)
"""Locations in Azure, in which a container, not a login, precedes the host."""
_LOCAL = ("embedded", "file", "memory")
"""Schemes of paths of this machine, which may contain an ``@``."""


@dataclass(frozen=True, slots=True)
class Uri:
    """The parts of a URI without a login.

    Args:
        scheme: The scheme, in lower case.
        authority: Host, hosts or bucket, as written.
        path: The path, as written.
        options: The options behind the ``?``, decoded.

    Example:
        >>> parse_uri("hive://one:9083,two?layout=hive", "the URI").options
        {'layout': 'hive'}
    """

    scheme: str
    authority: str
    path: str
    options: Mapping[str, str] = field(default_factory=dict)


def parse_uri(
    text: str, what: str, example: str = "file:///absolute/path or s3://bucket/prefix"
) -> Uri:
    """Parse a URI that a user wrote.

    Args:
        text: The URI.
        what: What it is, for messages, which repeat nothing of it.
        example: A correct URI, for messages.

    Returns:
        The parts of the URI.

    Raises:
        InvalidName: It does not have the form of a URI, contains a login, or repeats an option.

    Example:
        >>> parse_uri("s3://ada:s3cr3t@bucket/prefix", "the location")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: the location holds a user name or a password: ...
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise InvalidName(
            f"{what} cannot be read as a URI: write scheme://place?name=value&name=value, as in"
            f" {example}; write %23 where a # belongs to a path"
        )
    scheme, authority, path, query = form.groups()
    found = Uri(scheme.lower(), authority, path, _options(query or "", what))
    if "@" in _decoded(authority) or (
        not authority and found.scheme not in _LOCAL and "@" in _decoded(path)
    ):
        raise login_refused(what)
    refuse_login(path, what)
    return found


def refuse_login(path: str, what: str) -> None:
    """Reject a path with a login, as of a URI with a misspelt scheme.

    Args:
        path: The path. A colon followed by an ``@`` is a login.
        what: What it is, for the message.

    Raises:
        InvalidName: The path contains a login.

    Example:
        >>> refuse_login("/home/ada@lab/warehouse", "the directory")
    """
    if _LOGIN.search(_decoded(path)):
        raise login_refused(what)


def server_url(text: str, what: str) -> str:
    """Check the address of a server, which any configuration may contain.

    Args:
        text: ``http://host:port`` or ``https://host``, with or without a path.
        what: What it is, for messages, which repeat nothing of it.

    Returns:
        The same text.

    Raises:
        InvalidName: It is not such an address, or contains a login or an option, which every error
            of the connection would display.

    Example:
        >>> server_url("http://127.0.0.1:8333", "the S3 endpoint")
        'http://127.0.0.1:8333'
    """
    if "@" in _decoded(text):
        raise login_refused(what)
    parts = parse_uri(text, what, "http://host:port or https://host")
    if parts.scheme not in ("http", "https") or not is_host(parts.authority) or parts.options:
        raise InvalidName(
            f"{what} is not the address of a server: write http://host:port or https://host,"
            " without options"
        )
    return text


def login_refused(what: str) -> InvalidName:
    """Return the error for a text with a login, which it does not repeat.

    Args:
        what: What the text is.
    """
    return InvalidName(
        f"{what} holds a user name or a password: remove them, because URIs and addresses are"
        " logged and stored. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
        " AWS_PROFILE, or an Airflow connection"
    )


def clean_uri(text: str) -> str:
    """Return what may be displayed and stored of a URI of another program.

    Args:
        text: The URI, in which nothing is percent-encoded.

    Returns:
        The URI of the same location without a login; its scheme alone if no host or bucket follows.

    Example:
        >>> clean_uri("s3a://AKIAEXAMPLE:s3cr3t@bucket/prefix")
        's3a://bucket/prefix'
        >>> clean_uri("s3://AKIA:s3/cr3t@bucket/prefix")
        's3://...'
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme in _LOCAL or _CONTAINERS.fullmatch(text):
        return text
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    if _HOSTS.fullmatch(host) or (not authority and "@" not in path):
        return f"{scheme}://{host}{slash}{path}"
    return f"{scheme}://..." if scheme.isalnum() else "..."


def is_host(text: str) -> bool:
    """Whether a text is a host, with or without a port, so that it may be displayed.

    Example:
        >>> is_host("metastore-1:9083"), is_host("ada:s3cr3t")
        (True, False)
    """
    return re.fullmatch(_HOST, text) is not None


def _decoded(text: str) -> str:
    """Return a text without any percent-encoding, however often it was encoded."""
    while (plain := unquote(text)) != text:
        text = plain
    return text


def _options(query: str, what: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for number, option in enumerate(query.split("&") if query else (), 1):
        name, _, value = option.partition("=")
        if not _OPTION.fullmatch(name) or not value or name in options:
            raise InvalidName(
                f"option {number} of {what} is not name=value, or comes twice: write"
                " ?name=value&name=value"
            )
        options[name] = unquote_plus(value)
    return options
