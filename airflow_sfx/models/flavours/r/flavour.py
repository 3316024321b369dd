"""Models of R: coefficients or a tree for Python, or else a file for R."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import InvalidName, ModelRefused, SfxError
from airflow_sfx.models.artifact.rules import RDS
from airflow_sfx.models.describe.golden import deviation
from airflow_sfx.models.flavours.base import (
    Answers,
    Flavour,
    Native,
    Scorer,
    Task,
    Traits,
    check_trust,
)
from airflow_sfx.models.flavours.coefficients import (
    COEFFICIENTS,
    Coefficients,
    CoefficientsFlavour,
)
from airflow_sfx.models.flavours.onnx import OnnxScorer, has_runtime
from airflow_sfx.models.flavours.r.child import RscriptScorer
from airflow_sfx.models.flavours.r.linear import linear_to_onnx
from airflow_sfx.models.flavours.r.tree import TREE, Tree, TreeScorer
from airflow_sfx.models.flavours.r.walk import tree_to_onnx
from airflow_sfx.models.schema.rows import Columns, columns_of
from airflow_sfx.models.schema.signature import Feature, Signature, Value, signature_of

if TYPE_CHECKING:
    import pandas as pd

TRUST = "R"
"""What the caller names to load it."""
PACKAGES = "packages"
"""The parameter that lists the packages of R which a file of R needs."""
_EXACT, _BY_R = 1e-12, 1e-8
_ROUNDING, _MOST_ROUNDING = 1e-14, 1e-9
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class RModel:
    """A model of R, with R's own answers to some rows.

    Args:
        rows: The rows, those with missing values that only check the scorer last.
        answers: R's predictions for them.
        classes: The classes, in the order of the probabilities; empty for numbers.
        kind: What R calls it: ``lm``, ``glm``, ``rpart`` or another class.
        scorer: The coefficients or the tree, or None if only R can use the model.
        native: The file of R, if there is no scorer.
        parameters: The formula and the like.
        levels: The levels of each factor.
    """

    rows: pd.DataFrame
    answers: Answers
    classes: tuple[Value, ...]
    kind: str
    scorer: Coefficients | Tree | None
    native: bytes = b""
    parameters: Mapping[str, object] | None = None
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def tolerance(self) -> float:
        """How much a scorer may differ from R, relative to the size of numbers above 1.

        It adds the same numbers in another order: where large ones cancel each other out, the
        rounding is as much larger as they are.
        """
        if self.scorer is None:
            return _BY_R
        if isinstance(self.scorer, Tree):
            return _EXACT
        sizes = self.scorer.sizes(self._columns())
        if self.scorer.link == "identity":
            sizes = sizes / np.maximum(1.0, np.abs(self.answers.prediction))
        cancelled = np.max(sizes, initial=1.0, where=np.isfinite(sizes))
        return float(max(_EXACT, min(_MOST_ROUNDING, _ROUNDING * cancelled)))

    def refusal(self) -> str:
        """Return why its scorer cannot be used; empty if it agrees with R on all rows."""
        if self.scorer is None:
            return f"{self.kind} is not a model whose parts are known"
        names = list(self.rows.columns)
        if missing := sorted(set(self.scorer.columns) - set(names)):
            return f"the rows lack the column {missing[0]!r}"
        try:
            columns = self._columns()
            found = [self.scorer.answers(columns)]
            found += [
                OnnxScorer(one, names, self.classes, "the model").answers(columns)
                for one in self.graphs(self._features())
            ]
        except SfxError as error:
            return str(error)
        for one in found:
            differ = deviation(self.answers, one)
            if not differ.within(self.tolerance):
                return (
                    f"its answers differ from those of R by up to {differ.greatest:.3g}, and in"
                    f" {differ.labels} of {differ.rows} classes"
                )
        return ""

    def graphs(self, features: Sequence[Feature]) -> Iterator[bytes]:
        """Yield the model as ONNX; nothing without onnx and its runtime, or if it is too large."""
        if not has_runtime():
            return
        try:
            if isinstance(self.scorer, Tree):
                yield tree_to_onnx(self.scorer, features, self.levels)
            elif self.scorer is not None and (made := linear_to_onnx(self.scorer, features)):
                yield made
        except ModelRefused as error:
            _log.info("The model is saved without ONNX: %s", error)

    def _features(self) -> tuple[Feature, ...]:
        return signature_of(self.rows, list(self.rows.columns), None)

    def _columns(self) -> Columns:
        return columns_of(Signature(self._features(), ()), self.rows)


class RFlavour(Flavour):
    """Models that R fitted."""

    name = "r"
    modules = ()

    def matches(self, model: object) -> bool:
        """Return whether a model is of R."""
        return isinstance(model, RModel)

    def traits(self, model: RModel) -> Traits:
        """Return what R says about the model."""
        task: Task = "classification" if model.classes else "regression"
        columns = tuple(map(str, model.rows.columns))
        parameters = {"class": model.kind, **(model.parameters or {})}
        return Traits(task, columns, model.classes, parameters)

    def answers(self, model: RModel, frame: pd.DataFrame) -> Answers:
        """Return R's own answers: the rows are some of those that R has answered."""
        places = {key: place for place, key in enumerate(_keys(model.rows))}
        try:
            chosen = [places[key] for key in _keys(frame)]
        except KeyError:
            raise InvalidName(
                "a row of the model changes when it is stored: pass plain columns as example ="
            ) from None
        probability = model.answers.probability
        return Answers(
            model.answers.prediction[chosen],
            None if probability is None else probability[chosen],
        )

    def native(self, model: RModel, *, pickle: bool) -> Native | None:
        """Return R's own file, if Python cannot score the model."""
        return Native(RDS, model.native, (TRUST,)) if model.scorer is None else None

    def portable(
        self, model: RModel, features: Sequence[Feature], frame: pd.DataFrame
    ) -> Iterator[bytes]:
        """Yield the coefficients or the tree as ONNX."""
        yield from model.graphs(features)

    def components(self, model: RModel, features: Sequence[Feature]) -> dict[str, object]:
        """Return the coefficients or the tree."""
        if model.scorer is None:
            return {}
        name = "tree" if isinstance(model.scorer, Tree) else "coefficients"
        return {name: model.scorer.to_json()}

    def equal_of_onnx(
        self, entries: Mapping[str, bytes], signature: Signature, where: str
    ) -> Scorer | None:
        """Return a scorer of the coefficients or the tree, which the ONNX was compared with."""
        return self.load(entries, signature, (), where)

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return a scorer of the coefficients or the tree, which runs no code of R."""
        if COEFFICIENTS in entries:
            return CoefficientsFlavour().load(entries, signature, trust, where)
        if TREE in entries:
            from airflow_sfx.components import unpack

            try:
                return TreeScorer(Tree.from_json(unpack(entries[TREE])))
            except InvalidName as error:
                raise ModelRefused(
                    f"{where}: {error}: get the artifact again from where it was saved"
                ) from error
        if RDS in entries:
            check_trust((TRUST,), trust, where, RDS)
            parameters = json.loads(entries["params.json"])
            return RscriptScorer(entries[RDS], signature, parameters.get(PACKAGES) or (), where)
        return None


def _keys(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Return rows as keys, missing values as None."""
    features = signature_of(frame, [str(name) for name in frame.columns], None)
    columns = columns_of(Signature(tuple(features), ()), frame)
    lists = [
        [None if one is None or one != one else one for one in array.tolist()]  # noqa: PLR0124
        for array in columns.arrays.values()
    ]
    return list(zip(*lists, strict=True))
