"""Response bodies about models; see `tables`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from airflow_sfx.models.record import ModelRecord
from airflow_sfx.plugin.web.documents.tables import ChangeDocument, ProducerDocument


class ModelNames(BaseModel):
    """A page of the warehouse's models.

    Args:
        total: Number of models that match.
        models: The names on this page.
    """

    total: int
    models: list[str]


class AliasDocument(BaseModel):
    """An alias of a model.

    Args:
        alias: The alias.
        version: The version that it has now.
        at: Since when.
        producer: Who made that change.
        reason: The reason given.
    """

    alias: str
    version: str
    at: datetime
    producer: ProducerDocument
    reason: str


class VersionDocument(BaseModel):
    """A version of a model.

    Args:
        version: The version.
        at: When it was saved.
        producer: Who saved it.
        reason: The reason given.
        aliases: The aliases that it has now.
        metrics: The metrics that it was saved with.
        flavour: The library that it is of, or null if its artifact cannot be read.
    """

    version: str
    at: datetime
    producer: ProducerDocument
    reason: str
    aliases: list[str]
    metrics: dict[str, float]
    flavour: str | None


class ModelDocument(BaseModel):
    """A model: its aliases, and a page of its versions.

    Args:
        model: The name.
        aliases: Its aliases, `latest` among them.
        versions: The versions on this page, newest first.
        more: Whether there are older versions.
    """

    model: str
    aliases: list[AliasDocument]
    versions: list[VersionDocument]
    more: bool


class AliasHistory(BaseModel):
    """A page of the changes of an alias, newest first.

    Args:
        model: The model.
        alias: The alias.
        current: The version that it has now, or null for none.
        changes: The changes on this page; the `batch_id` of each is the version.
        more: Whether there are older changes.
    """

    model: str
    alias: str
    current: str | None
    changes: list[ChangeDocument]
    more: bool


class TrainingBatch(BaseModel):
    """A batch that a model was trained on.

    Args:
        table: The table, by its present name.
        partition: The partition.
        batch_id: The batch.
        state: `current`, `rolled back`, `dropped`, `erased`, `replaced`, or `unknown`.
        at: Since when it is no longer current, or null.
        producer: Who ended it, or null.
        reason: The reason given.
    """

    table: str
    partition: str
    batch_id: str
    state: str
    at: datetime | None = None
    producer: ProducerDocument | None = None
    reason: str = ""


class InputDocument(BaseModel):
    """The batches of one role.

    Args:
        role: What they were for, such as `train`; empty if unknown.
        rows: Their number of rows, or null if unknown.
        total: Number of batches.
        batches: Some of them, those that are no longer current first.
    """

    role: str
    rows: int | None
    total: int
    batches: list[TrainingBatch]


class ModelVersionDocument(VersionDocument):
    """A version with what its artifact says.

    Args:
        version: The version.
        at: When it was saved.
        producer: Who saved it.
        reason: The reason given.
        aliases: The aliases that it has now.
        metrics: The metrics that it was saved with.
        flavour: The library that it is of, or null if its artifact cannot be read.
        model: The model.
        record: Its `MODEL.json`, or null if it cannot be read.
        bytes: The size of its artifact.
        inputs: The batches that it was trained on, by role.
        card: Its card, as Markdown: columns, parameters, and what people said.
        missing_card_parts: The titles of the required parts of a card that were not stated yet.
        problem: Why its artifact was not read; empty if it was.
    """

    model: str
    record: ModelRecord | None
    bytes: int
    inputs: list[InputDocument]
    card: str
    missing_card_parts: dict[str, str]
    problem: str


class SwappedBatch(BaseModel):
    """A partition whose batch differs.

    Args:
        partition: The partition.
        before: The batch of the first version, or null for none.
        after: The batch of the second version, or null for none.
    """

    partition: str
    before: str | None
    after: str | None


class InputChange(BaseModel):
    """The batches of one role in two versions.

    Args:
        role: The role.
        same: Whether they are the same.
        table_before: The table of the first version, or null for none.
        table_after: The table of the second version, or null for none.
        rows_before: Their rows.
        rows_after: Their rows.
        total: Number of partitions that differ.
        batches: Some of them.
    """

    role: str
    same: bool
    table_before: str | None
    table_after: str | None
    rows_before: int
    rows_after: int
    total: int
    batches: list[SwappedBatch]


class ValueChange(BaseModel):
    """A value of two versions.

    Args:
        name: What it is of.
        before: The value of the first version, or null for none.
        after: The value of the second version, or null for none.
        change: By how much a number changed, or null.
    """

    name: str
    before: Any
    after: Any
    change: float | str | None


class CodeChange(BaseModel):
    """A file of the code that differs.

    Args:
        path: The file.
        added: Number of lines that were added.
        removed: Number of lines that were removed.
        hunks: The difference, as `diff -u` writes it; the end of a long one is cut off.
    """

    path: str
    added: int
    removed: int
    hunks: str


class PredictionExample(BaseModel):
    """A row whose prediction differs.

    Args:
        row: The row, by column.
        before: What the first version predicts.
        after: What the second version predicts.
    """

    row: dict[str, Any]
    before: Any
    after: Any


class PredictionChange(BaseModel):
    """How predictions for the same rows differ.

    Args:
        on: Which rows.
        rows: Number of rows.
        labels: Number of classes that differ; null for a regression.
        mean_before: The mean of the first version's numbers, or null.
        mean_after: The mean of the second version's numbers, or null.
        mean_change: The mean of the absolute differences, or null.
        greatest: The greatest absolute difference, or null.
        examples: The rows that differ most.
    """

    on: str
    rows: int
    labels: int | None
    mean_before: float | str | None
    mean_after: float | str | None
    mean_change: float | str | None
    greatest: float | str | None
    examples: list[PredictionExample]


class ModelDiffDocument(BaseModel):
    """What differs between two versions of a model.

    Args:
        model: The model.
        before: The first version.
        after: The second version.
        identical: Whether their content is the same.
        data: The batches of each role, also of those that are the same.
        metrics: All metrics.
        params: The parameters that differ.
        signature: The columns that differ.
        environment: The packages and traits of the platform that differ.
        code: The files that differ.
        terms: The coefficients or gains that differ, the largest change first; some of them.
        terms_total: Number of these.
        predictions: The predictions for the golden rows of the first version.
        notes: What could not be compared, and why.
    """

    model: str
    before: str
    after: str
    identical: bool
    data: list[InputChange]
    metrics: list[ValueChange]
    params: list[ValueChange]
    signature: list[ValueChange]
    environment: list[ValueChange]
    code: list[CodeChange]
    terms: list[ValueChange]
    terms_total: int
    predictions: list[PredictionChange]
    notes: list[str]


class AliasChanged(BaseModel):
    """The result of a change of an alias.

    Args:
        model: The model.
        alias: The alias.
        version: The version that it has now.
    """

    model: str
    alias: str
    version: str
