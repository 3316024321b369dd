"""ONNX: the portable scorer of any flavour, and models that are ONNX already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import ModelRefused, SchemaMismatch
from airflow_sfx.models.flavours.base import (
    Answers,
    Array,
    Flavour,
    Scorer,
    Traits,
    in_classes,
    require,
)
from airflow_sfx.models.schema.rows import Columns, columns_of
from airflow_sfx.models.schema.signature import Feature, Signature, Value, signature_of

if TYPE_CHECKING:
    import pandas as pd

ONNX = "model/model.onnx"
"""The portable scorer's entry."""
MISSING_TEXT = "sfx.missing_text"
"""The member of a graph's metadata that names the text which stands for missing text."""
_EXTRA = "'airflow-sfx[models]'"
_WITHOUT_TELEMETRY = ("ORT_DISABLE_TELEMETRY", "1")
"""What onnxruntime must find when it is imported, or it sends events and writes a device ID into
the home. Who wants that sets the variable to 0."""
_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


def has_runtime() -> bool:
    """Return whether onnxruntime is installed."""
    return find_spec("onnxruntime") is not None


class OnnxScorer(Scorer):
    """Answers by onnxruntime, which needs numpy only.

    Args:
        content: The ONNX file.
        names: The columns that the model takes, in their order.
        classes: The classes of a classification.
        where: The artifact, for messages.

    Raises:
        ModelRefused: onnxruntime is not installed, or does not load the file.
    """

    def __init__(
        self, content: bytes, names: Sequence[str], classes: Sequence[Value], where: str
    ) -> None:
        os.environ.setdefault(*_WITHOUT_TELEMETRY)
        runtime = require("onnxruntime", _EXTRA, f"{where}: its portable scorer")
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            self._session = runtime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelRefused(
                f"{where}: onnxruntime {runtime.__version__} does not load its portable scorer"
                f" ({error}): load it with native=True, or install the version of its"
                " env/requirements.lock"
            ) from error
        self._names, self._classes, self._where = tuple(names), tuple(classes), where
        self._inputs = self._session.get_inputs()
        self._outputs = [one.name for one in self._session.get_outputs()]
        metadata = self._session.get_modelmeta().custom_metadata_map
        self._missing: str | None = metadata.get(MISSING_TEXT)
        self._matrix = (
            len(self._inputs) == 1
            and len(self._inputs[0].shape) == 2  # noqa: PLR2004  rows and columns
            and self._inputs[0].name not in self._names
        )

    def answers(self, columns: Columns) -> Answers:
        """Return what the graph says about rows."""
        try:
            found = self._session.run(self._outputs, self._feed(columns))
        except SchemaMismatch:
            raise
        except Exception as error:  # onnxruntime's errors have no common base
            raise ModelRefused(
                f"{self._where}: its portable scorer failed ({error}): load it with native=True"
            ) from error
        return self._as_answers([np.asarray(one) for one in found], columns.rows)

    def _as_answers(self, found: list[Array], rows: int) -> Answers:
        if not self._classes:
            return Answers(found[0].reshape(rows))
        labels, *rest = found
        probability = rest[0].astype(np.float64).reshape(rows, -1) if rest else None
        if labels.dtype.kind == "f" and not rest:  # probabilities alone
            probability = labels.astype(np.float64).reshape(rows, -1)
            if probability.shape[1] == 1:
                probability = np.hstack([1 - probability, probability])
            known = np.asarray(list(self._classes))
            return Answers(known[probability.argmax(axis=1)], probability)
        return Answers(in_classes(labels.reshape(rows), self._classes), probability)

    def _feed(self, columns: Columns) -> dict[str, Array]:
        if self._matrix:
            one = self._inputs[0]
            stacked = [_numbers(name, columns.arrays[name]) for name in self._names]
            matrix: Array = np.array(stacked, dtype=_TYPES[one.type])
            matrix = matrix.reshape(len(stacked), columns.rows)
            return {one.name: np.ascontiguousarray(matrix.T)}
        return {
            one.name: _tensor(one.name, columns.arrays[one.name], one.type, self._missing).reshape(
                (-1, 1) if len(one.shape) > 1 else (-1,)
            )
            for one in self._inputs
        }


def _numbers(name: str, array: Array) -> Array:
    """Return a column as floats of 64 bits, missing values as NaN."""
    if array.dtype.kind in "OM":
        if array.dtype.kind == "M" or any(isinstance(one, str) for one in array):
            raise SchemaMismatch(
                f"the column {name!r:.80} is not numeric, and the model takes a matrix of numbers:"
                " encode it before the model, or save a pipeline that does"
            )
        return np.array([np.nan if one is None else one for one in array], dtype=np.float64)
    return array.astype(np.float64, copy=False)


def _tensor(name: str, array: Array, kind: str, missing: str | None) -> Array:
    if kind == "tensor(string)":
        if missing is not None:
            return np.array([missing if one is None else one for one in array], dtype=object)
        if any(one is None for one in array):
            raise SchemaMismatch(
                f"the column {name!r:.80} has missing text, which ONNX does not have: fill it, or"
                " load the model with native=True"
            )
        return array.astype(object)
    if kind not in _TYPES:
        raise SchemaMismatch(
            f"the column {name!r:.80} is a {kind} in the graph, which rows cannot have: save the"
            " model with tensors of numbers or text"
        )
    return (
        _numbers(name, array).astype(_TYPES[kind])
        if array.dtype == object
        else array.astype(_TYPES[kind])
    )


class OnnxFlavour(Flavour):
    """Models that are ONNX already: a ModelProto, or the bytes of one."""

    name = "onnx"
    modules = ("onnx",)
    library = ("onnxruntime", "onnxruntime")

    def matches(self, model: object) -> bool:
        """Return whether a model is ONNX."""
        return isinstance(model, bytes) or super().matches(model)

    def traits(self, model: Any) -> Traits:
        """Return what the graph says: its inputs, and a classification by its outputs."""
        session = OnnxScorer(_content(model), (), (), "the model")._session
        outputs = session.get_outputs()
        inputs = [one.name for one in session.get_inputs()]
        if outputs[0].type in ("tensor(int64)", "tensor(string)") and len(outputs) > 1:
            width = outputs[1].shape[-1] if outputs[1].shape else None
            classes = tuple(range(width)) if isinstance(width, int) else ()
            if not classes or outputs[0].type == "tensor(string)":
                raise ModelRefused(
                    "the graph has labels and no list of its classes: save the model that it was"
                    " converted from, or a graph with probabilities or numbers alone"
                )
            return Traits("classification", _features(inputs, session), classes)
        return Traits("regression", _features(inputs, session))

    def answers(self, model: Any, frame: pd.DataFrame) -> Answers:
        """Return what onnxruntime says about rows."""
        traits = self.traits(model)
        names = [str(one) for one in frame.columns]
        signature = Signature(signature_of(frame, names, None), ())
        scorer = OnnxScorer(_content(model), names, traits.classes, "the model")
        return scorer.answers(columns_of(signature, frame))

    def portable(
        self, model: Any, features: Sequence[Feature], frame: pd.DataFrame
    ) -> Iterator[bytes]:
        """Yield the model itself."""
        yield _content(model)

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return None: there is no form but ONNX."""
        return None


def _features(inputs: Sequence[str], session: Any) -> tuple[str, ...] | None:
    """Return the columns of a graph with one input for each; None if they are one matrix."""
    shape = session.get_inputs()[0].shape
    if len(inputs) == 1 and len(shape) == 2 and shape[1] != 1:  # noqa: PLR2004
        return None
    return tuple(inputs)


def _content(model: Any) -> bytes:
    content = model if isinstance(model, bytes) else model.SerializeToString(deterministic=True)
    return bytes(content)
