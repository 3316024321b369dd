"""Routes that change an alias of a model: promote and roll back.

Each request states which version the requester saw the alias have, and is rejected if that has
changed. Nothing of an artifact is trusted: one that needs trust is promoted by a person or a DAG.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from airflow_sfx.models.pin import ModelPin
from airflow_sfx.plugin.web.documents.models import AliasChanged
from airflow_sfx.plugin.web.documents.requests import Promote, RollbackAlias
from airflow_sfx.plugin.web.routes.models.artifacts import registry, require_small, table_of
from airflow_sfx.plugin.web.routes.models.reading import ModelName
from airflow_sfx.plugin.web.routes.write import Author
from airflow_sfx.plugin.web.security import (
    CHANGE_PARAMETERS,
    READ_ACCESS,
    WRITE_ACCESS,
    in_page_threads,
)

router = APIRouter(dependencies=[*READ_ACCESS, *WRITE_ACCESS], tags=["change"])


@router.post(
    "/models/{model}/promote", response_model=AliasChanged, openapi_extra=CHANGE_PARAMETERS
)
@in_page_threads
def promote(model: ModelName, body: Promote, producer: Author) -> dict[str, Any]:
    """Make a version the current one of an alias, once it answers its golden rows."""
    pin = ModelPin(model, body.version)
    require_small(table_of(pin.name), pin, f"sfx model promote {pin.name} {pin.version}")
    promoted = registry().promote(
        pin.name,
        pin,
        to=body.alias,
        reason=body.reason,
        expected=body.expected,
        card=body.card,
        complete=body.complete,
        producer=producer,
    )
    return _changed(body.alias, promoted)


@router.post(
    "/models/{model}/rollback", response_model=AliasChanged, openapi_extra=CHANGE_PARAMETERS
)
@in_page_threads
def rollback(model: ModelName, body: RollbackAlias, producer: Author) -> dict[str, Any]:
    """Make the version current again that an alias had before; no data is deleted."""
    back = registry().rollback(
        model,
        body.alias,
        to=body.to,
        reason=body.reason,
        expected=body.expected,
        producer=producer,
    )
    return _changed(body.alias, back)


def _changed(alias: str, pin: ModelPin) -> dict[str, Any]:
    return {"model": pin.name, "alias": alias, "version": pin.version}
