"""Routes that list models, their versions and the history of their aliases."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from airflow_sfx.core.errors import SfxError
from airflow_sfx.core.table import identifier
from airflow_sfx.models.describe.card import TITLES
from airflow_sfx.models.log.cards import missing_parts, statements, with_statements
from airflow_sfx.models.log.listing import ModelVersion
from airflow_sfx.models.log.promotion import save_of
from airflow_sfx.models.pin import LATEST, ModelPin
from airflow_sfx.models.registry import PRODUCTION
from airflow_sfx.plugin.web.documents.models import (
    AliasHistory,
    ModelDocument,
    ModelNames,
    ModelVersionDocument,
)
from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.plugin.web.routes.models.artifacts import (
    artifact,
    registry,
    table_of,
    trained_on,
)
from airflow_sfx.plugin.web.routes.parameters import Batch, ChangesOffset, Limit, Offset, Search
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.table.table import Table

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])

ModelName = Annotated[str, Path(max_length=MAX_NAME, description="The model.")]
Alias = Annotated[str, Query(max_length=MAX_NAME, description="The alias.")]


@router.get("/models", response_model=ModelNames)
@in_page_threads
def models(search: Search = "", limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """List the models of the warehouse by name."""
    found = [name for name in registry().list() if search.lower() in name]
    return {"total": len(found), "models": found[offset : offset + limit]}


@router.get("/models/{model}", response_model=ModelDocument)
@in_page_threads
def model(model: ModelName, limit: Limit = 100, offset: ChangesOffset = 0) -> dict[str, Any]:
    """Get a model: its aliases, and its versions with their metrics, newest first."""
    found = registry()
    versions = found.versions(model, limit=offset + limit + 1)
    aliases = sorted(found.aliases(model))
    entries = map_concurrently(lambda alias: found.history(model, alias, limit=1)[0], aliases)
    return {
        "model": identifier(model, "model"),
        "aliases": [
            {
                "alias": alias,
                "version": entry.batch_id,
                "at": entry.at,
                "producer": plain(entry.producer),
                "reason": entry.reason,
            }
            for alias, entry in zip(aliases, entries, strict=True)
            if entry.batch_id
        ],
        "versions": [_version(one) for one in versions[offset : offset + limit]],
        "more": len(versions) > offset + limit,
    }


@router.get("/models/{model}/history", response_model=AliasHistory)
@in_page_threads
def history(
    model: ModelName, alias: Alias = PRODUCTION, limit: Limit = 50, offset: ChangesOffset = 0
) -> dict[str, Any]:
    """List which versions an alias had, newest first."""
    found = registry()
    entries = found.history(model, alias, limit=offset + limit + 1)
    return {
        "model": identifier(model, "model"),
        "alias": alias,
        "current": found.aliases(model).get(alias),
        "changes": plain(list(entries[offset : offset + limit])),
        "more": len(entries) > offset + limit,
    }


@router.get("/models/{model}/version", response_model=ModelVersionDocument)
@in_page_threads
def version(model: ModelName, version: Batch) -> dict[str, Any]:
    """Get a version: its card, and the batches that it was trained on; nothing of it is run."""
    pin = ModelPin(model, version)
    table = table_of(pin.name)
    found = save_of(table, pin, registry().aliases(pin.name))
    return {
        **_version(found),
        "model": pin.name,
        "record": plain(found.record),
        **_artifact(table, pin),
    }


def _version(one: ModelVersion) -> dict[str, Any]:
    return {
        "version": one.pin.version,
        "at": one.at,
        "producer": plain(one.producer),
        "reason": one.reason,
        "aliases": one.aliases,
        "metrics": plain(one.metrics),
        "flavour": one.record.flavour if one.record else None,
    }


def _artifact(table: Table, pin: ModelPin) -> dict[str, Any]:
    """Return what the artifact of a version says; if it cannot, why, and its batches anyway."""
    manifest = table.manifest(LATEST, pin.version)
    try:
        found = artifact(table, pin, f"sfx model show {pin} --card")
        inputs = [trained_on(one.role, one.pin, one.rows) for one in found.input_batches]
        said = statements(table, pin.version)
        card, problem = with_statements(found.card, said), ""
        missing = {part: TITLES[part] for part in missing_parts(found.card, said)}
    except SfxError as error:
        inputs = [trained_on("", one, None) for one in manifest.inputs]
        card, problem, missing = "", str(error), {}
    return {
        "bytes": manifest.bytes,
        "inputs": inputs,
        "card": card,
        "missing_card_parts": missing,
        "problem": problem,
    }
