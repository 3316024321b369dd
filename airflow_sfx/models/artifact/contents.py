"""Checks what the entries of an artifact hold, without running any of it."""

from __future__ import annotations

import msgspec

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.artifact.onnx_data import has_external_data
from airflow_sfx.models.artifact.rules import kind_of

_STARTS: dict[str, tuple[bytes, ...]] = {
    "ubj": (b"{",),
    "zip": (b"PK\x03\x04",),
    "parquet": (b"PAR1",),
    "rds": (b"X\n", b"B\n"),
}
_ENDS: dict[str, bytes] = {"parquet": b"PAR1"}
_MOST_OF_JSON = 256 << 20


def check_content(name: str, content: bytes, where: str) -> None:
    r"""Raise an error if an entry does not hold what its name says.

    A pickle is looked at by no one: whether it is loaded is for the caller to say.

    Args:
        name: The entry's name.
        content: Its content.
        where: The artifact, for messages.

    Raises:
        ModelRefused: It holds other content, or an ONNX graph that reads other files.

    Example:
        >>> check_content("metrics.json", b"\x80\x05.", "x.zip")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.ModelRefused: x.zip: the entry 'metrics.json' is not json...
    """
    kind = kind_of(name, where)
    if kind == "json":
        _check_json(name, content, where)
    elif kind == "text":
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise _other(name, kind, where) from error
    elif kind == "onnx":
        try:
            external = has_external_data(content)
        except ValueError as error:
            raise _other(name, kind, where) from error
        if external:
            raise ModelRefused(
                f"{where}: {name!r} reads tensors from other files, which an artifact does not"
                " have: save the model with all of its tensors inside"
            )
    if not content.startswith(_STARTS.get(kind, (b"",))) or not content.endswith(
        _ENDS.get(kind, b"")
    ):
        raise _other(name, kind, where)


def _check_json(name: str, content: bytes, where: str) -> None:
    try:
        if len(content) > _MOST_OF_JSON:
            raise ValueError(f"{len(content)} bytes")
        msgspec.json.decode(content, type=msgspec.Raw)
    except (ValueError, RecursionError) as error:
        raise _other(name, "json", where) from error


def _other(name: str, kind: str, where: str) -> ModelRefused:
    return ModelRefused(
        f"{where}: the entry {name!r:.80} is not {kind}, which its name says: nothing of the"
        " artifact is used; get it again from where it was saved"
    )
