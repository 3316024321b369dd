"""Rows of requests and answers: JSON records, or Arrow."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

import msgspec

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.models.describe.golden import as_records
from airflow_sfx.serving.web.arrow import read_columns, write_answers
from airflow_sfx.serving.web.openapi import ARROW, JSON
from airflow_sfx.serving.web.refusal import RefusedError

if TYPE_CHECKING:
    from airflow_sfx.models.flavours.base import Answers
    from airflow_sfx.models.schema.rows import Unseen
    from airflow_sfx.serving.served import ServedFunction, ServedModel
    from airflow_sfx.serving.web.limits import Limits

_UNSEEN = ("refuse", "missing")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the headers and the address of a request ask for.

    Args:
        arrow: Whether rows and answers are Arrow, not JSON.
        unseen: What a category does that the model does not know.
    """

    arrow: bool
    unseen: Unseen


@lru_cache(64)
def asked(kind: bytes, encoding: bytes, query: bytes) -> Asked:
    """Return what a request asks for.

    Args:
        kind: Its content type.
        encoding: Its content encoding.
        query: The query of its address.

    Raises:
        RefusedError: The content type or a parameter is unknown.
    """
    media = kind.partition(b";")[0].strip().lower().decode("latin-1")
    if media not in (JSON, ARROW) or encoding:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is {media!r:.80}{' and compressed' if encoding else ''}: send records with"
            f" Content-Type: {JSON}, or {ARROW}, uncompressed",
        )
    unseen = "refuse"
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name != "unseen" or value not in _UNSEEN:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST,
                f"{name!r:.40} with the value {value!r:.40} is not a parameter: the only one is"
                " unseen=refuse or unseen=missing",
            )
        unseen = value
    return Asked(media == ARROW, cast("Unseen", unseen))


def read_rows(body: bytes, asked: Asked, served: ServedModel, limits: Limits) -> tuple[Any, int]:
    """Return the rows of a body, and how many there are.

    Args:
        body: The body.
        asked: What the request asks for.
        served: The version that will answer.
        limits: How many rows a request may have.

    Raises:
        RefusedError: The body is not rows, or has too many.
    """
    if asked.arrow:
        return read_columns(body, served.signature.names, limits)
    records = _records(body, limits)
    return records, len(records)


def read_of_function(
    body: bytes, asked: Asked, served: ServedFunction, limits: Limits
) -> list[Any]:
    """Return the rows of a body as a function gets them.

    Args:
        body: The body.
        asked: What the request asks for.
        served: The function.
        limits: How many rows a request may have.

    Raises:
        RefusedError: The body is not JSON rows, has too many, or one that does not fit.
    """
    if asked.arrow:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a function's server reads no {ARROW}: send {JSON}"
        )
    try:
        return served.read(_records(body, limits))
    except SchemaMismatch as error:
        raise _misfit(str(error)) from error


def _records(body: bytes, limits: Limits) -> list[Any]:
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise _not_records(f"it is not JSON ({error})") from error
    records = [found] if isinstance(found, dict) else found
    if not isinstance(records, list):
        raise _not_records(f"it is {records!r:.40}")
    limits.check_rows(len(records))
    return records


def _not_records(why: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST,
        f"the body is not records, as {why}: send a JSON array with an object for each row, as"
        ' [{"column": 1.5}]',
    )


def answer(served: ServedModel, rows: Any, asked: Asked) -> Answers:
    """Return the answers of a version for rows.

    Args:
        served: The version.
        rows: The rows: at least one.
        asked: What the request asks for.

    Raises:
        RefusedError: A row does not fit the signature, or the model failed.
    """
    try:
        return served.answers(rows, asked.unseen)
    except SchemaMismatch as error:
        raise _misfit(str(error)) from error
    except Exception as error:  # of any model
        _log.warning("%s failed: %s", served.name, error)
        raise _failed(served) from error


def _misfit(message: str) -> RefusedError:
    return RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, message, error="SchemaMismatch")


def _failed(served: ServedModel) -> RefusedError:
    """Return the refusal for rows at which a model fails."""
    return RefusedError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"the model {served.name} failed on these rows, though they fit its signature: the server's"
        " log has the error",
        error="ModelRefused",
    )


def nothing(asked: Asked, served: ServedModel) -> bytes:
    """Return the body of the response to a request without rows."""
    if asked.arrow:
        raise _misfit("the stream has no rows: send at least one")
    return msgspec.json.encode({"model": served.name, "predictions": []})


def written(served: ServedModel, answers: Answers, asked: Asked) -> bytes:
    """Return the body of the response with answers, which names the version.

    Args:
        served: The version that answered.
        answers: Its answers.
        asked: What the request asked for.
    """
    if asked.arrow:
        return write_answers(served.name, answers)
    return msgspec.json.encode({"model": served.name, "predictions": as_records(answers)})
