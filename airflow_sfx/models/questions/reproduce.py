"""Whether a version can be trained again, and what differs if so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_sfx.models.artifact.rules import FIRST
from airflow_sfx.models.describe.card import CARD
from airflow_sfx.models.describe.code import DIFF, GIT
from airflow_sfx.models.describe.provenance import PROVENANCE
from airflow_sfx.models.describe.sbom import SBOM
from airflow_sfx.models.model import Model, described
from airflow_sfx.models.questions.diff import ModelDiff, diff_models
from airflow_sfx.models.questions.report import Report
from airflow_sfx.models.questions.retraining import train_again

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_NOT_CONTENT = {FIRST, CARD, SBOM, PROVENANCE, GIT, DIFF}


@dataclass(frozen=True, slots=True)
class Reproduction(Report):
    """What training a version again gave.

    Args:
        model: The version.
        same: Whether the digest of the new model's content is that of the version.
        entries: The entries that differ.
        diff: What differs in them: packages, metrics, coefficients, predictions.
    """

    model: str
    same: bool
    entries: tuple[str, ...]
    diff: ModelDiff

    def table_rows(self) -> Sequence[object]:
        """Return one row for each thing that differs."""
        return self.diff.table_rows()


def reproduce_model(model: Model, warehouse: Warehouse, trust: Sequence[str]) -> Reproduction:
    """Train a version again from its batches and code, and compare.

    Args:
        model: The version.
        warehouse: The warehouse of its batches.
        trust: What the caller allows: ``code``.

    Returns:
        Whether the content is the same, and what differs.

    Raises:
        ModelRefused: As for `train_again`.
    """
    trained = train_again(model, [model], warehouse, describe=True, trust=trust)
    assert trained.artifact is not None
    again = described(trained.artifact, f"{model}, trained again")
    names = sorted({*model.entries, *again.entries} - _NOT_CONTENT)
    differ = tuple(name for name in names if model.entries.get(name) != again.entries.get(name))
    same = model.record.digest == again.record.digest
    return Reproduction(str(model), same, differ, diff_models(model, again, warehouse))
