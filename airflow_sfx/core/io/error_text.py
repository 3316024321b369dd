"""Messages of storage and AWS errors without secrets.

Some responses of S3, and some messages of Glue and STS, repeat the session token or the signed
request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BODY = re.compile(r": <.*|(Server returned (?:error response|[^:]*: \d+[^:]*)): .*")
"""A server's response in the first line of obstore's error, behind its origin."""
_LINK = re.compile(r"^ *(?:\w+: )?(?!Some\b)([A-Z][A-Za-z]+)[(,]", re.MULTILINE)
_QUOTED = re.compile(r'(body: (?:Some\(\s*)?)?"((?:[^"\\\n]|\\.)+)"')
_CODE_OR_MESSAGE = re.compile(r"<(?:Code|Message)>([^<\\]*)")
"""The parts of a response that are repeated: the first line of either."""


def safe_message(error: Exception) -> str:
    """Return what happened, and why.

    Of obstore's chain of causes, only the last links are repeated.

    Args:
        error: An error of obstore, of boto3 or of the system.

    Example:
        >>> safe_message(OSError(28, "No space left on device"))
        '[Errno 28] No space left on device'
    """
    first, _, causes = str(error).partition("\n")
    _, _, inner = causes.partition("inner: ")
    links = _LINK.findall(inner)[-2:]
    why = dict.fromkeys([*(_spaced(link) for link in links), *filter(None, _quoted(inner))])
    first = _BODY.sub(r"\1", first).strip() or type(error).__name__
    return f"{first} ({', '.join(why)})" if why else first


def safe_cause(error: Exception) -> Exception | None:
    """Return the error if tracebacks may show it as a cause.

    An error of several lines may contain a server's response, and None is returned.

    Args:
        error: An error of obstore, of boto3 or of the system.
    """
    return None if "\n" in str(error) else error


def _quoted(causes: str) -> Iterator[str]:
    """Yield the quoted texts of causes, and of responses only code and message."""
    for body, quoted in _QUOTED.findall(causes):
        text = quoted.replace('\\"', "")
        yield (
            ": ".join(filter(None, _CODE_OR_MESSAGE.findall(text))) if body or "<" in text else text
        )


def _spaced(name: str) -> str:
    """Return a name of Rust as words.

    Example:
        >>> _spaced("UnknownIssuer")
        'unknown issuer'
    """
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower()
