"""Models of R: coefficients or a tree for Python, or else a file for R."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import InvalidName, ModelRefused, SfxError
from airflow_sfx.models.artifact.rules import RDS
from airflow_sfx.models.flavours.base import (
    Answers,
    Array,
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
from airflow_sfx.models.flavours.tree import TREE, Tree, TreeScorer
from airflow_sfx.models.schema.rows import columns_of
from airflow_sfx.models.schema.signature import Feature, Signature, Value, signature_of

if TYPE_CHECKING:
    import pandas as pd

TRUST = "R"
"""What the caller names to load it."""
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class RModel:
    """A model of R, with R's own answers to some rows.

    Args:
        rows: The rows.
        answers: R's predictions for them.
        classes: The classes, in the order of the probabilities; empty for numbers.
        kind: What R calls it: ``lm``, ``glm``, ``rpart`` or another class.
        scorer: The coefficients or the tree, or None if only R can use the model.
        native: The file of R, if there is no scorer.
        parameters: The formula and the like.
    """

    rows: pd.DataFrame
    answers: Answers
    classes: tuple[Value, ...]
    kind: str
    scorer: Coefficients | Tree | None
    native: bytes = b""
    parameters: Mapping[str, object] | None = None

    def refusal(self) -> str:
        """Return why its scorer cannot be used; empty if it agrees with R on all rows."""
        if self.scorer is None:
            return f"{self.kind} is not a model whose parts are known"
        names = list(self.rows.columns)
        if missing := sorted(set(self.scorer.columns) - set(names)):
            return f"the rows lack the column {missing[0]!r}"
        try:
            features = signature_of(self.rows, names, None)
            found = self.scorer.answers(columns_of(Signature(tuple(features), ()), self.rows))
        except SfxError as error:
            return str(error)
        one, other = _numbers(self.answers), _numbers(found)
        if one.shape != other.shape:
            return "its answers have another shape than those of R"
        differ = float(np.max(np.abs(one - other) / np.maximum(1.0, np.abs(one)), initial=0.0))
        if not differ <= _TOLERANCE:
            return f"its answers differ from those of R by up to {differ:.3g}"
        return ""


def _numbers(answers: Answers) -> Array:
    found = answers.prediction if answers.probability is None else answers.probability
    return found.astype(np.float64)


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

    def components(self, model: RModel, features: Sequence[Feature]) -> dict[str, object]:
        """Return the coefficients or the tree."""
        if model.scorer is None:
            return {}
        name = "tree" if isinstance(model.scorer, Tree) else "coefficients"
        return {name: model.scorer.to_json()}

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
            raise ModelRefused(
                f"{where} has a model that only R can use: load it in R, with"
                " sf_model_load(trust = TRUE)"
            )
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
