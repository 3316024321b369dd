"""URIs: read strictly, and never shown with a login, a key or a password in them.

What somebody typed is read by `parse_uri`. Until that has succeeded, no message, log or cause of an
error repeats any part of it: a secret in an unexpected place is not recognisable. What other
programs wrote, such as a metastore's location, is shown and stored as `clean_uri` gives it.
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
"""Places of Azure, where a container, which is no login, comes before the host."""
_LOCAL = ("embedded", "file", "memory")
"""Schemes of paths of this machine, whose names may hold an ``@``."""


@dataclass(frozen=True, slots=True)
class Uri:
    """The parts of a URI that holds no login.

    Args:
        scheme: In lower case.
        authority: Host, hosts or bucket, as written.
        path: As written.
        options: What is behind the ``?``, decoded.

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
    """Read a URI that somebody typed.

    Args:
        text: The URI.
        what: What it is, for messages, which repeat nothing of it.
        example: What it may look like, for messages.

    Returns:
        Its parts.

    Raises:
        InvalidName: It has not the form of a URI, holds a login, or has an option twice.

    Example:
        >>> parse_uri("s3://ada:s3cr3t@bucket/prefix", "the location")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: the location holds a user name or a password: leave them out, because URIs and \
addresses are logged and stored. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or an Airflow connection
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
    """Refuse a path that holds a login: one with a colon and an ``@`` behind it, as of a URI whose beginning is misspelt.

    Args:
        path: The path.
        what: What it is, for the message.

    Raises:
        InvalidName: It holds a login.

    Example:
        >>> refuse_login("/home/ada@lab/warehouse", "the directory")
    """
    if _LOGIN.search(_decoded(path)):
        raise login_refused(what)


def server_url(text: str, what: str) -> str:
    """Read the address of a server, from wherever it comes: an option, the environment, a profile, an Airflow connection.

    Args:
        text: ``http://host:port`` or ``https://host``, with a path or without.
        what: What it is, for messages, which repeat nothing of it.

    Returns:
        The same.

    Raises:
        InvalidName: It is no such address, or holds a login or an option, which every error of the
            connection would show.

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
    """The error for something that holds a login, which it does not repeat.

    Args:
        what: What holds it.
    """
    return InvalidName(
        f"{what} holds a user name or a password: leave them out, because URIs and addresses are"
        " logged and stored. Keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
        " AWS_PROFILE, or an Airflow connection"
    )


def clean_uri(text: str) -> str:
    """What may be shown, logged and stored of a URI that another program wrote, with nothing in it percent-encoded.

    Args:
        text: The URI.

    Returns:
        The URI without a login, which names the same place; its scheme alone where what follows is
        no host or bucket.

    Example:
        >>> clean_uri("s3a://AKIAEXAMPLE:s3cr3t@bucket/prefix"), clean_uri("s3://AKIA:s3/cr3t@bucket/prefix")
        ('s3a://bucket/prefix', 's3://...')
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
    """Whether a text is a host with or without a port, so that it may be shown.

    Example:
        >>> is_host("metastore-1:9083"), is_host("ada:s3cr3t")
        (True, False)
    """
    return re.fullmatch(_HOST, text) is not None


def _decoded(text: str) -> str:
    """A text with nothing left that is percent-encoded, however often it was."""
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
