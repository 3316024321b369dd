"""Spellings of URIs with a secret in them, and a search for it in everything that an error says."""

from __future__ import annotations

import traceback
from urllib.parse import quote

from hypothesis import strategies as st

CANARY = "C4nary"
"""Part of every secret: no encoding changes it."""

SECRETS = st.builds(
    "{}{}{}".format,
    st.text("ab/?#:+&=%", max_size=3),
    st.just(CANARY),
    st.text("xy/?#:@+&=%;", max_size=3),
)
LOGINS = st.builds("{}:{}".format, st.sampled_from(["ada", "AKIAEXAMPLE", ""]), SECRETS)
SCHEMES = st.sampled_from(["hive", "glue", "embedded", "s3", "s3a", "http", "other", "file", ""])
KEY_NAMES = (
    "access_key_id",
    "secret",
    "password",
    "token",
    "X-Amz-Signature",
    "aws_secret_access_key",
)
OPTIONS = st.sampled_from((*KEY_NAMES, "auth", "layout", "region"))
AT = st.sampled_from(["@", "%40", "%2540"])
PLACES = st.sampled_from(
    ["bucket/prefix", "host:9083?location=s3://bucket/prefix", "host", "eu-west-1"]
)


@st.composite
def _with_login(draw: st.DrawFn) -> str:
    scheme = draw(SCHEMES)
    start = scheme + draw(st.sampled_from(["://", ":/", ":///", ":"])) if scheme else ""
    login = draw(LOGINS)
    return f"{start}{quote(login) if draw(st.booleans()) else login}{draw(AT)}{draw(PLACES)}"


@st.composite
def _with_key(draw: st.DrawFn) -> str:
    base = draw(
        st.sampled_from(
            (
                "hive://host:9083?location=s3://bucket/prefix&",
                "hive://host:9083?location=s3://bucket/prefix#",
                "glue://eu-west-1?location=s3://bucket/p&",
                "hive://host?",
                "s3://bucket/prefix?",
                "embedded:/",
                "embedded:///x#",
            )
        )
    )
    return f"{base}{draw(OPTIONS)}={quote(CANARY)}"


@st.composite
def _with_inner_uri(draw: st.DrawFn) -> str:
    """A login or a key in a URI that is an option of another one."""
    inner = draw(_with_login() | _with_key())
    inner = quote(inner) if draw(st.booleans()) else inner
    option = draw(st.sampled_from(["location", "endpoint_url", "glue_endpoint_url"]))
    other = "" if option == "location" else "&location=s3://bucket/prefix"
    return (
        f"{draw(st.sampled_from(['hive://host:9083', 'glue://eu-west-1']))}?{option}={inner}{other}"
    )


_HOSTS = st.builds("hive://one:9083,{}@two?location=s3://bucket/prefix".format, LOGINS)
SPELLINGS = (_with_login() | _with_key() | _with_inner_uri() | _HOSTS).filter(
    lambda text: CANARY in text
)


def told_by(error: BaseException) -> str:
    """All that an error, its causes and their tracebacks say."""
    said, seen = [], set()
    due: list[BaseException | None] = [error]
    while due:
        one = due.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        said += [str(one), repr(one), repr(one.args), *map(repr, vars(one).values())]
        said += traceback.format_exception(one)
        due += [one.__cause__, one.__context__]
    return "\n".join(said)
