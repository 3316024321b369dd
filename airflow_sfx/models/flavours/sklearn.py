"""scikit-learn: estimators and pipelines; ONNX by skl2onnx, native by skops."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import pickle as pickling
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.artifact.rules import PICKLE
from airflow_sfx.models.flavours.base import (
    Answers,
    Flavour,
    Native,
    Scorer,
    Task,
    Traits,
    check_trust,
    require,
    values_of,
)
from airflow_sfx.models.schema.rows import Columns, frame_of
from airflow_sfx.models.schema.signature import Feature, Signature

if TYPE_CHECKING:
    import pandas as pd

SKOPS = "model/native/model.skops"
_SCHEMA = "schema.json"
_EXTRA = "'airflow-sfx[models]'"
_LINEAR = "sklearn.linear_model."


class SklearnFlavour(Flavour):
    """Estimators with the interface of scikit-learn."""

    name = "scikit-learn"
    modules = ("sklearn",)
    library = ("sklearn", "scikit-learn")

    def traits(self, model: Any) -> Traits:
        """Return what an estimator says about itself."""
        if not hasattr(model, "predict"):
            raise ModelRefused(
                f"{type(model).__name__} has no predict: pass a fitted estimator, or a pipeline"
                " that ends with one"
            )
        features = getattr(model, "feature_names_in_", None)
        task: Task = "classification" if _is_classifier(model) else "regression"
        classes = values_of(model.classes_) if task == "classification" else ()
        return Traits(
            task,
            None if features is None else tuple(map(str, features)),
            classes,
            _parameters(model),
        )

    def answers(self, model: Any, frame: pd.DataFrame) -> Answers:
        """Return the estimator's predictions and probabilities."""
        return _answers(model, frame)

    def native(self, model: Any, *, pickle: bool) -> Native | None:
        """Return the estimator as skops writes it, or as a pickle."""
        if pickle:
            return Native(PICKLE, pickling.dumps(model, protocol=5), ("pickle",))
        io_ = require("skops.io", _EXTRA, "saving a scikit-learn model")
        try:
            content = io_.dumps(model)
        except Exception as error:  # skops raises whatever the model's own methods raise
            raise ModelRefused(
                f"{type(model).__name__} cannot be saved without pickle ({error}): use classes of"
                " libraries, or pass pickle=True, and trust=['pickle'] when loading it"
            ) from error
        return Native(SKOPS, _reproducible(content), _roots(io_, content))

    def portable(
        self, model: Any, features: Sequence[Feature], frame: pd.DataFrame
    ) -> Iterator[bytes]:
        """Yield the estimator as ONNX, with numbers of 64 bits first."""
        from airflow_sfx.models.flavours.onnx_export import sklearn_to_onnx

        return sklearn_to_onnx(model, features, frame)

    def components(self, model: Any, features: Sequence[Feature]) -> dict[str, object]:
        """Return the coefficients of a linear model by feature."""
        last = _last(model)
        coefficients = getattr(last, "coef_", None)
        if coefficients is None:
            return {}
        matrix = np.atleast_2d(np.asarray(coefficients, dtype=np.float64))
        names = _terms(model, features, matrix.shape[1])
        found: dict[str, object] = {
            "coefficients": dict(zip(names, matrix[0].tolist(), strict=True))
            if matrix.shape[0] == 1
            else matrix,
            "terms": names,
        }
        intercept = np.atleast_1d(np.asarray(getattr(last, "intercept_", 0.0), dtype=np.float64))
        return {**found, "intercept": intercept}

    def scoring_components(self, model: Any, features: Sequence[Feature]) -> dict[str, object]:
        """Return the coefficients of a linear model, whose numbers its answers depend on."""
        last = _last(model)
        of_linear = any(one.__module__.startswith(_LINEAR) for one in type(last).__mro__)
        coefficients = vars(last).get("coef_")
        if not of_linear or getattr(coefficients, "dtype", None) != np.float64:
            return {}
        found = self.components(model, features)
        names = cast(list[str], found["terms"])
        unique = len(set(names)) == len(names)
        return {name: found[name] for name in ("coefficients", "terms") if unique}

    def with_components(self, model: Any, components: Mapping[str, Any]) -> Any:
        """Return a linear model, or a pipeline that ends with one, with other coefficients."""
        last = copy.copy(_last(model))
        found = components["coefficients"]
        if isinstance(found, Mapping):  # a map comes back sorted
            found = [found[name] for name in components["terms"]]
        last.coef_ = np.array(found, dtype=np.float64, order="C").reshape(last.coef_.shape)
        if not hasattr(model, "steps"):
            return last
        whole = copy.copy(model)
        whole.steps = [*model.steps[:-1], (model.steps[-1][0], last)]
        return whole

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return the estimator itself, which builds classes that the artifact names."""
        if PICKLE in entries:
            check_trust(["pickle"], trust, where, "its pickle")
            return _Estimator(_unpickled(entries[PICKLE], where), signature)
        if SKOPS not in entries:
            return None
        io_ = require("skops.io", _EXTRA, f"{where}: its scikit-learn model")
        content = entries[SKOPS]
        try:
            types = io_.get_untrusted_types(data=content)
        except Exception as error:  # of any content
            raise ModelRefused(
                f"{where}: its scikit-learn model cannot be read ({error}): get the artifact again"
                " from where it was saved"
            ) from error
        check_trust(_roots(io_, content), trust, where, "its scikit-learn model")
        require("sklearn", "scikit-learn", f"{where}: its model")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions, which golden rows show
                estimator = io_.loads(content, trusted=types)
        except Exception as error:  # of any content
            raise _unloadable(where, error) from error
        return _Estimator(estimator, signature)


def _last(model: Any) -> Any:
    """Return the estimator, or the one that a pipeline ends with."""
    return model.steps[-1][1] if hasattr(model, "steps") else model


def _unpickled(content: bytes, where: str) -> Any:
    try:
        return pickling.loads(content)  # noqa: S301  the caller allowed it
    except Exception as error:  # of any content, and of classes that are not here
        raise _unloadable(where, error) from error


def _unloadable(where: str, error: Exception) -> ModelRefused:
    return ModelRefused(
        f"{where}: its scikit-learn model cannot be loaded here ({error}): install the versions of"
        " its env/requirements.lock"
    )


class _Estimator(Scorer):
    def __init__(self, estimator: Any, signature: Signature) -> None:
        self._estimator, self._signature = estimator, signature

    @property
    def native(self) -> object:
        return self._estimator

    def answers(self, columns: Columns) -> Answers:
        return _answers(self._estimator, frame_of(self._signature, columns))


def _answers(model: Any, frame: pd.DataFrame) -> Answers:
    rows: Any = frame if hasattr(model, "feature_names_in_") else frame.to_numpy()
    probability = None
    if _is_classifier(model) and hasattr(model, "predict_proba"):
        probability = np.asarray(model.predict_proba(rows), dtype=np.float64)
    return Answers(np.asarray(model.predict(rows)).reshape(len(frame)), probability)


def _is_classifier(model: Any) -> bool:
    return hasattr(model, "classes_")


def _parameters(model: Any) -> dict[str, object]:
    """Return the parameters of an estimator that JSON can hold."""
    found = cast(dict[str, object], model.get_params(deep=True))
    return {
        name: value
        for name, value in sorted(found.items())
        if isinstance(value, str | int | float | bool | None)
    }


def _terms(model: Any, features: Sequence[Feature], count: int) -> list[str]:
    """Return the names of a linear model's terms."""
    names: Any = [one.name for one in features]
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        names = model[:-1].get_feature_names_out()
    return [str(one) for one in names] if len(names) == count else [f"x{n}" for n in range(count)]


def _roots(io_: Any, content: bytes) -> tuple[str, ...]:
    """Return the packages whose code loading runs: scikit-learn, and those of unknown types."""
    types = io_.get_untrusted_types(data=content)
    return ("sklearn", *sorted({one.split(".")[0] for one in types} - {"sklearn"}))


def _reproducible(content: bytes) -> bytes:
    """Return an archive of skops with fixed times, and numbers instead of memory addresses."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files.pop(_SCHEMA))
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    _renumber(schema, numbers, names)
    fixed = {_SCHEMA: json.dumps(schema).encode()}
    fixed |= {names.get(name, name): data for name, data in files.items()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(fixed):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o100644 << 16
            archive.writestr(info, fixed[name])
    return target.getvalue()


def _renumber(node: Any, numbers: dict[int, int], names: dict[str, str]) -> None:
    """Number the objects of a schema, and name its files, in the order in which they appear."""
    if isinstance(node, list):
        for one in node:
            _renumber(one, numbers, names)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__id__"), int):
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
    if isinstance(node.get("file"), str) and "__loader__" in node:
        end = node["file"].rpartition(".")[2]
        node["file"] = names.setdefault(node["file"], f"{len(names):06d}.{end}")
    for one in node.values():
        _renumber(one, numbers, names)
