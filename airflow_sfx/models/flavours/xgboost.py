"""xgboost: boosters and its estimators; native as binary JSON."""

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

UBJ = "model/native/model.ubj"


class XgboostFlavour(Flavour):
    """Boosters of xgboost, alone or in its estimators."""

    name = "xgboost"
    modules = ("xgboost",)
    library = ("xgboost", "xgboost-cpu")

    def traits(self, model: Any) -> Traits:
        """Return what a booster says about itself."""
        booster = _booster(model)
        names = booster.feature_names
        classes: tuple[Value, ...] = ()
        if hasattr(model, "classes_"):
            classes = values_of(model.classes_)
        elif _objective(booster).startswith(("binary:logistic", "multi:softprob")):
            classes = tuple(range(max(2, _count(booster))))
        elif _objective(booster).startswith("multi:"):
            raise ModelRefused(
                "a booster with the objective multi:softmax gives no probabilities: train it with"
                " multi:softprob, whose most likely class is the same"
            )
        parameters = model.get_params() if hasattr(model, "get_params") else {}
        return Traits(
            "classification" if classes else "regression",
            None if names is None else tuple(names),
            classes,
            plain_parameters(parameters),
        )

    def answers(self, model: Any, frame: pd.DataFrame) -> Answers:
        """Return the booster's predictions."""
        return _answers(_booster(model), frame, self.traits(model).classes)

    def native(self, model: Any, *, pickle: bool) -> Native | None:
        """Return the booster as universal binary JSON."""
        return Native(UBJ, bytes(_booster(model).save_raw("ubj")))

    def portable(
        self, model: Any, features: Sequence[Feature], frame: pd.DataFrame
    ) -> Iterator[bytes]:
        """Yield the booster as ONNX: it computes with 32 bits, as ONNX does."""
        from airflow_sfx.models.flavours.onnx_export import boosting_to_onnx

        plain = _booster(model).copy()
        plain.feature_names = [f"f{number}" for number in range(len(features))]
        plain.feature_types = None
        import xgboost

        classes = self.traits(model).classes
        wrapper = xgboost.XGBClassifier() if classes else xgboost.XGBRegressor()
        wrapper.load_model(bytearray(plain.save_raw("ubj")))
        yield from boosting_to_onnx("convert_xgboost", wrapper, features)

    def components(self, model: Any, features: Sequence[Feature]) -> dict[str, object]:
        """Return how much each feature gains."""
        gains = _booster(model).get_score(importance_type="gain")
        return {"gain": {str(name): float(value) for name, value in sorted(gains.items())}}

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return the booster; reading it runs no code of the artifact."""
        if UBJ not in entries:
            return None
        xgboost = require("xgboost", "xgboost", f"{where}: its model")
        try:
            booster = xgboost.Booster(model_file=bytearray(entries[UBJ]))
        except Exception as error:  # of any content
            raise ModelRefused(
                f"{where}: xgboost {xgboost.__version__} does not load its model ({error}): install"
                " the version of its env/requirements.lock"
            ) from error
        booster.set_param({"nthread": 1})
        return BoosterScorer(booster, signature, _answers)


def _booster(model: Any) -> Any:
    return model.get_booster() if hasattr(model, "get_booster") else model


def _answers(booster: Any, frame: pd.DataFrame, classes: Sequence[Value]) -> Answers:
    import xgboost

    rows = xgboost.DMatrix(frame, enable_categorical=True)
    best = getattr(booster, "best_iteration", None) if booster.attr("best_iteration") else None
    limit = (0, int(best) + 1) if best is not None else (0, 0)
    raw = np.asarray(booster.predict(rows, iteration_range=limit, validate_features=False))
    if not classes:
        return Answers(raw.reshape(len(frame)))
    probability = raw.astype(np.float64)
    if probability.ndim == 1:
        # The estimator subtracts with 32 bits, too.
        probability = np.column_stack([(1 - raw).astype(np.float64), probability])
    known = np.asarray(list(classes))
    chosen = probability.argmax(axis=1)
    if len(classes) == 2:  # noqa: PLR2004  as xgboost decides
        chosen = (probability[:, 1] > 0.5).astype(int)  # noqa: PLR2004
    return Answers(in_classes(known[chosen], classes), probability)


def _objective(booster: Any) -> str:
    import json

    config = json.loads(booster.save_config())
    return str(config["learner"]["objective"]["name"])


def _count(booster: Any) -> int:
    import json

    config = json.loads(booster.save_config())
    return int(config["learner"]["learner_model_param"]["num_class"])
