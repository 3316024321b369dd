"""lightgbm: boosters and its estimators; native as text, which runs no code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.flavours.base import (
    Answers,
    Flavour,
    Native,
    Scorer,
    Traits,
    in_classes,
    require,
    values_of,
)
from airflow_sfx.models.flavours.boosting import BoosterScorer, plain_parameters
from airflow_sfx.models.schema.signature import Feature, Signature, Value

if TYPE_CHECKING:
    import pandas as pd

TEXT = "model/native/model.txt"


class LightgbmFlavour(Flavour):
    """Boosters of lightgbm, alone or in its estimators."""

    name = "lightgbm"
    modules = ("lightgbm",)
    library = ("lightgbm", "lightgbm")

    def traits(self, model: Any) -> Traits:
        """Return what a booster says about itself."""
        booster = _booster(model)
        classes: tuple[Value, ...] = ()
        if hasattr(model, "classes_"):
            classes = values_of(model.classes_)
        else:
            objective = _objective(booster)
            if objective.startswith(("binary", "multiclass", "cross_entropy")):
                classes = tuple(range(max(2, booster.num_model_per_iteration())))
        parameters = model.get_params() if hasattr(model, "get_params") else booster.params
        return Traits(
            "classification" if classes else "regression",
            _names(model, booster),
            classes,
            plain_parameters(parameters),
        )

    def answers(self, model: Any, frame: pd.DataFrame) -> Answers:
        """Return the booster's predictions."""
        return _answers(_booster(model), frame, self.traits(model).classes)

    def native(self, model: Any, *, pickle: bool) -> Native | None:
        """Return the booster as text."""
        return Native(TEXT, _booster(model).model_to_string(num_iteration=-1).encode())

    def portable(
        self, model: Any, features: Sequence[Feature], frame: pd.DataFrame
    ) -> Iterator[bytes]:
        """Yield the booster as ONNX; it compares with 32 bits, lightgbm with 64."""
        from airflow_sfx.models.flavours.onnx_export import boosting_to_onnx

        yield from boosting_to_onnx("convert_lightgbm", _booster(model), features, zipmap=False)

    def components(self, model: Any, features: Sequence[Feature]) -> dict[str, object]:
        """Return how much each feature gains."""
        booster = _booster(model)
        gains = booster.feature_importance("gain")
        return {"gain": dict(zip(booster.feature_name(), map(float, gains), strict=True))}

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return the booster; reading it runs no code of the artifact."""
        if TEXT not in entries:
            return None
        lightgbm = require("lightgbm", "lightgbm", f"{where}: its model")
        text = entries[TEXT].decode()
        if not text.startswith("tree\n"):  # lightgbm ends the process at other text
            raise ModelRefused(
                f"{where}: its model is not text of lightgbm: get the artifact again from where it"
                " was saved"
            )
        try:
            booster = lightgbm.Booster(model_str=text)
        except Exception as error:  # of any content
            raise ModelRefused(
                f"{where}: lightgbm {lightgbm.__version__} does not load its model ({error}):"
                " install the version of its env/requirements.lock"
            ) from error
        return BoosterScorer(booster, signature, _answers)


def _booster(model: Any) -> Any:
    return getattr(model, "booster_", model)


def _names(model: Any, booster: Any) -> tuple[str, ...] | None:
    names = tuple(booster.feature_name())
    made_up = names == tuple(f"Column_{number}" for number in range(len(names)))
    if made_up:
        return None
    # lightgbm writes spaces as underscores; the estimator has the names themselves.
    return tuple(getattr(model, "feature_name_", names)) or names


def _answers(booster: Any, frame: pd.DataFrame, classes: Sequence[Value]) -> Answers:
    raw = np.asarray(booster.predict(frame, num_threads=1))
    if not classes:
        return Answers(raw.reshape(len(frame)))
    probability = np.column_stack([1 - raw, raw]) if raw.ndim == 1 else raw
    known = np.asarray(list(classes))
    return Answers(in_classes(known[probability.argmax(axis=1)], classes), probability)


def _objective(booster: Any) -> str:
    for line in booster.model_to_string(num_iteration=1).splitlines():
        if line.startswith("objective="):
            return str(line.removeprefix("objective="))
    return ""
