"""What changed between two versions: data, code, environment, answers."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import SfxError
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import compact
from airflow_sfx.models.describe.code import GIT, TRAIN
from airflow_sfx.models.describe.environment import LOCK, PLATFORM
from airflow_sfx.models.describe.inputs import Input
from airflow_sfx.models.flavours.function import SOURCE
from airflow_sfx.models.model import Model
from airflow_sfx.models.questions.predictions import PredictionDiff, on_golden_rows, on_rows
from airflow_sfx.models.questions.report import Change, Report
from airflow_sfx.models.questions.terms import terms_of
from airflow_sfx.models.training import load_rows
from airflow_sfx.warehouse.diff.diff import PartitionsDiff

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?:  # RECORD sha256:([0-9a-f]+))?$", re.MULTILINE)
_SHORT = 12


@dataclass(frozen=True, slots=True)
class InputDiff(Report):
    """The batches of one role.

    Args:
        role: The role, such as ``train``.
        before: The pin before, or None if there was none.
        after: The pin after, or None if there is none.
        partitions: The partitions that differ.
        rows_before: The number of rows before.
        rows_after: The number of rows after.
        added: Rows that are only after; None if the rows were not compared.
        removed: Rows that are only before.
        changed: With keys, rows of the same key with different values; otherwise 0.
        columns: The columns that were added, were removed, have another type, or, with keys, have
            other values.
        note: Why the rows were not compared; empty if they were.
    """

    role: str
    before: BatchPin | None
    after: BatchPin | None
    partitions: PartitionsDiff
    rows_before: int
    rows_after: int
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    columns: tuple[str, ...] = ()
    note: str = ""

    @property
    def same(self) -> bool:
        """Whether the batches are the same."""
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class CodeDiff(Report):
    """One file of the code that differs.

    Args:
        path: The entry.
        added: How many lines were added.
        removed: How many were removed.
        hunks: The difference, as ``diff -u`` writes it.
    """

    path: str
    added: int
    removed: int
    hunks: str


@dataclass(frozen=True, slots=True)
class ModelDiff(Report):
    """What differs between two versions.

    Args:
        before: The first version.
        after: The second version.
        identical: Whether they have the same digest: then nothing else differs.
        data: The batches of each role, also of those that are the same.
        code: The files that differ.
        environment: The packages, and the traits of the platform, that differ.
        params: The parameters that differ.
        signature: The columns that the model takes or predicts, where they differ.
        metrics: All metrics.
        terms: The coefficients, or gains, that differ; the largest change first.
        predictions: The predictions for golden rows, and for current rows if these were passed.
        notes: What could not be compared, and why.
    """

    before: str
    after: str
    identical: bool
    data: tuple[InputDiff, ...] = ()
    code: tuple[CodeDiff, ...] = ()
    environment: tuple[Change, ...] = ()
    params: tuple[Change, ...] = ()
    signature: tuple[Change, ...] = ()
    metrics: tuple[Change, ...] = ()
    terms: tuple[Change, ...] = ()
    predictions: tuple[PredictionDiff, ...] = ()
    notes: tuple[str, ...] = ()

    def table_rows(self) -> Sequence[object]:
        """Return one row for each thing that differs."""
        return self.rows()

    def rows(self) -> list[PartChange]:
        """Return one row for each thing that differs, with its part."""
        return [PartChange(part, *change) for part, change in self._parts()]

    def _parts(self) -> Iterator[tuple[str, tuple[str, object, object, float | None]]]:
        for one in self.data:
            if not one.same:
                rows = one.rows_before, one.rows_after
                yield "data", (one.role, *rows, float(rows[1] - rows[0]))
        for file in self.code:
            yield "code", (file.path, f"-{file.removed}", f"+{file.added}", None)
        for part in ("environment", "params", "signature", "metrics", "terms"):
            for change in getattr(self, part):
                yield part, (change.name, change.before, change.after, change.change)
        for found in self.predictions:
            values = found.mean_before, found.mean_after
            yield "predictions", (found.on, *values, found.mean_change)


@dataclass(frozen=True, slots=True)
class PartChange:
    """One row of the table of a `ModelDiff`.

    Args:
        part: The part: data, code, environment, params, signature, metrics, terms, predictions.
        name: What differs.
        before: The value before.
        after: The value after.
        change: By how much; None for what is not a number.
    """

    part: str
    name: str
    before: object
    after: object
    change: float | None


def diff_models(
    before: Model,
    after: Model,
    warehouse: Warehouse | None = None,
    *,
    keys: Sequence[str] = (),
    on: BatchPin | None = None,
) -> ModelDiff:
    """Compare two versions.

    Args:
        before: The first.
        after: The second.
        warehouse: The warehouse of their data, or None to compare the batches but not their rows.
        keys: Columns that identify a row; see `airflow_sfx.diff`.
        on: Current rows, for which both predict; needs the warehouse.

    Returns:
        What differs.

    Raises:
        SchemaMismatch: The rows of ``on`` do not fit one of the models.
        ModelRefused: A model that is to predict for ``on`` needs trust.
    """
    notes: list[str] = []
    predictions = list(_golden(before, after, notes))
    if on is not None and warehouse is not None:
        rows = sum(one.rows for one in warehouse.manifests(on))
        predictions.append(on_rows(before, after, load_rows(warehouse, on, rows), str(on)))
    return ModelDiff(
        str(before),
        str(after),
        before.record.digest == after.record.digest,
        tuple(_data(before, after, warehouse, keys)),
        tuple(_code(before.entries, after.entries)),
        tuple(_changes(_environment(before), _environment(after))),
        tuple(_changes(before.params, after.params)),
        tuple(_changes(_columns(before), _columns(after))),
        tuple(_changes(before.metrics, after.metrics, all_=True)),
        tuple(_terms(before, after, notes)),
        tuple(predictions),
        tuple(notes),
    )


def _golden(before: Model, after: Model, notes: list[str]) -> Iterator[PredictionDiff]:
    try:
        yield on_golden_rows(before, after)
    except SfxError as error:
        notes.append(f"the predictions for golden rows were not compared: {error}")


def _changes(
    before: Mapping[str, object], after: Mapping[str, object], *, all_: bool = False
) -> Iterator[Change]:
    """Yield the values that differ, or all, by name."""
    for name in sorted({*before, *after}):
        if all_ or before.get(name) != after.get(name):
            yield Change(name, before.get(name), after.get(name))


def _data(
    before: Model, after: Model, warehouse: Warehouse | None, keys: Sequence[str]
) -> Iterator[InputDiff]:
    old = {one.role: one for one in before.input_batches}
    new = {one.role: one for one in after.input_batches}
    for role in dict.fromkeys([*old, *new]):
        yield _input(role, old.get(role), new.get(role), warehouse, keys)


def _input(
    role: str,
    old: Input | None,
    new: Input | None,
    warehouse: Warehouse | None,
    keys: Sequence[str],
) -> InputDiff:
    pins = [None if one is None else one.pin for one in (old, new)]
    counts = [0 if one is None else one.rows for one in (old, new)]
    if pins[0] is None or pins[1] is None:
        names = [tuple(pin.batches) if pin else () for pin in pins]
        partitions = PartitionsDiff(names[0], names[1])
        return InputDiff(role, pins[0], pins[1], partitions, counts[0], counts[1])
    partitions = PartitionsDiff.of(pins[0], pins[1])
    shared = (role, pins[0], pins[1], partitions, counts[0], counts[1])
    if pins[0] == pins[1]:
        return InputDiff(*shared, 0, 0, 0)
    if warehouse is None:
        return InputDiff(*shared, note="the rows are in the warehouse, which was not opened")
    try:
        found = warehouse.diff(pins[0], pins[1], keys=keys)
    except SfxError as error:
        return InputDiff(*shared, note=str(error))
    differ = {*found.columns_added, *found.columns_removed, *found.columns_retyped}
    differ |= {one.name for one in found.columns if one.changed}
    columns = tuple(one.name for one in found.columns if one.name in differ)
    return InputDiff(*shared, found.added, found.removed, found.changed, columns)


def _code(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[CodeDiff]:
    names = [name for name in sorted({*before, *after}) if _is_code(name)]
    for name in names:
        old, new = (_lines(name, side.get(name, b"")) for side in (before, after))
        lines = list(difflib.unified_diff(old, new, name, name, lineterm=""))
        if lines:
            marks = [line[:1] for line in lines[2:]]
            yield CodeDiff(name, marks.count("+"), marks.count("-"), "\n".join(lines))


def _lines(name: str, content: bytes) -> list[str]:
    """Return the lines of a file; for the function, without the parameters, which are apart."""
    if name == TRAIN and content:
        recipe = json.loads(content)
        content = compact({one: recipe[one] for one in recipe if one != "params"}).encode()
    return content.decode(errors="replace").splitlines()


def _is_code(name: str) -> bool:
    return name == SOURCE or (name.startswith("code/") and name != GIT)


def _environment(model: Model) -> dict[str, object]:
    """Return the versions of packages, the traits of the platform, and the commit."""
    entries = model.entries
    found: dict[str, object] = {}
    for name, version, digest in _LOCKED.findall(entries.get(LOCK, b"").decode()):
        found[name] = f"{version} ({digest[:_SHORT]})" if digest else version
    platform: dict[str, Any] = json.loads(entries.get(PLATFORM, b"{}"))
    threads = platform.pop("threads", {})
    found |= {f"platform {name}": value for name, value in {**platform, **threads}.items()}
    commit = json.loads(entries.get(GIT, b"{}")).get("commit")
    return {**found, "git commit": commit} if commit else found


def _columns(model: Model) -> dict[str, object]:
    """Return the columns that a model takes, and what it predicts, as text."""
    found: dict[str, object] = {"(predicts)": model.record.target or model.record.task}
    for one in model.signature.inputs:
        kind = f"{one.type} or missing" if one.nullable else one.type
        some = "" if one.categories is None else f" of {len(one.categories)} categories"
        found[one.name] = f"{kind}{some}"
    return found


def _terms(before: Model, after: Model, notes: list[str]) -> list[Change]:
    """Return the coefficients that differ, the largest change first."""
    try:
        changes = list(_changes(terms_of(before), terms_of(after)))
    except SfxError as error:
        notes.append(f"the coefficients were not compared: {error}")
        return []
    return sorted(changes, key=lambda one: (-abs(one.change or 0.0), one.name))
