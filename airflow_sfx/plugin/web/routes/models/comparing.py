"""The route that compares two versions of a model."""

from __future__ import annotations

from itertools import islice
from typing import Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends

from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.questions.diff import CodeDiff, InputDiff, diff_models
from airflow_sfx.plugin.web.comparison_queue import comparisons
from airflow_sfx.plugin.web.documents.models import ModelDiffDocument
from airflow_sfx.plugin.web.documents.tables import TOO_MANY_COMPARISONS
from airflow_sfx.plugin.web.routes.models.artifacts import artifact, table_of
from airflow_sfx.plugin.web.routes.models.reading import ModelName
from airflow_sfx.plugin.web.routes.parameters import Batch
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.warehouse.json_values import plain

MAX_TERMS = 200
"""Greatest number of coefficients that are listed."""

MAX_BATCHES = 100
"""Greatest number of partitions of a role that are listed."""

MAX_HUNKS = 20_000
"""Greatest number of characters of a file's differences."""

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


@router.get(
    "/models/{model}/diff", response_model=ModelDiffDocument, responses=TOO_MANY_COMPARISONS
)
async def diff(model: ModelName, before: Batch, after: Batch, user: GetUserDep) -> Any:
    """Compare two versions of a model; one comparison per user at a time."""
    async with comparisons.of(user.get_id()):
        return await compare(model, before, after)


@in_page_threads
def compare(model: str, before: str, after: str) -> dict[str, Any]:
    """Compare two versions: batches, metrics, code, packages, coefficients, predictions."""
    pins = ModelPin(model, before), ModelPin(model, after)
    table = table_of(pins[0].name)
    command = f"sfx model diff {pins[0]} {pins[1]}"
    old, new = (artifact(table, pin, command) for pin in pins)
    found = diff_models(old, new)
    changes = {
        part: [{**one.as_dict(), "change": plain(one.change)} for one in getattr(found, part)]
        for part in ("metrics", "params", "signature", "environment")
    }
    return {
        "model": pins[0].name,
        "before": before,
        "after": after,
        "identical": found.identical,
        "data": [_data(one) for one in found.data],
        **changes,
        "code": [_code(one) for one in found.code],
        "terms": [
            {**one.as_dict(), "change": plain(one.change)} for one in found.terms[:MAX_TERMS]
        ],
        "terms_total": len(found.terms),
        "predictions": [one.as_dict() for one in found.predictions],
        "notes": found.notes,
    }


def _data(one: InputDiff) -> dict[str, Any]:
    """Return the partitions of a role whose batches differ; the page compares the rows of each."""
    old, new = (dict(pin.batches) if pin else {} for pin in (one.before, one.after))
    parts = one.partitions
    names = [*parts.changed, *parts.only_before, *parts.only_after]
    return {
        "role": one.role,
        "same": one.same,
        "table_before": str(one.before.ref) if one.before else None,
        "table_after": str(one.after.ref) if one.after else None,
        "rows_before": one.rows_before,
        "rows_after": one.rows_after,
        "total": len(names),
        "batches": [
            {"partition": name, "before": old.get(name), "after": new.get(name)}
            for name in islice(names, MAX_BATCHES)
        ],
    }


def _code(one: CodeDiff) -> dict[str, Any]:
    return {**one.as_dict(), "hunks": one.hunks[:MAX_HUNKS]}
