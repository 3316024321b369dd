"""Messages of storage and AWS errors, without what a server's answer repeats of the refused request.

S3 puts the session token or the request as it was signed into some of its answers, and Glue and STS
into their messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BODY = re.compile(r": <.*|(Server returned (?:error response|[^:]*: \d+[^:]*)): .*")
"""An answer in the first line of an error of obstore's, behind what says where it came from."""
_LINK = re.compile(r"^ *(?:\w+: )?(?!Some\b)([A-Z][A-Za-z]+)[(,]", re.MULTILINE)
_QUOTED = re.compile(r'(body: (?:Some\(\s*)?)?"((?:[^"\\\n]|\\.)+)"')
_TOLD = re.compile(r"<(?:Code|Message)>([^<\\]*)")
"""What is repeated of an answer: the first line of either."""


def safe_message(error: Exception) -> str:
    """What happened, and why.

    Of what comes below the first line the last links of obstore's chain of causes are told.

    Args:
        error: An error of obstore, of boto3 or of the system.

    Example:
        >>> safe_message(OSError(28, "No space left on device"))
        '[Errno 28] No space left on device'
    """
    first, _, causes = str(error).partition("\n")
    _, _, inner = causes.partition("inner: ")
    links = _LINK.findall(inner)[-2:]
    why = dict.fromkeys([*(_spaced(link) for link in links), *filter(None, _said(inner))])
    first = _BODY.sub(r"\1", first).strip() or type(error).__name__
    return f"{first} ({', '.join(why)})" if why else first


def safe_cause(error: Exception) -> Exception | None:
    """The error as a cause that tracebacks may show; None for one of several lines, which may be a server's.

    Args:
        error: An error of obstore, of boto3 or of the system.
    """
    return None if "\n" in str(error) else error


def _said(causes: str) -> Iterator[str]:
    """What is quoted in a chain of causes; of a server's answer, its code and message."""
    for body, quoted in _QUOTED.findall(causes):
        text = quoted.replace('\\"', "")
        yield ": ".join(filter(None, _TOLD.findall(text))) if body or "<" in text else text


def _spaced(name: str) -> str:
    """A name of Rust's as words.

    Example:
        >>> _spaced("UnknownIssuer")
        'unknown issuer'
    """
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower()
