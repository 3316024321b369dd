"""Conversion to ONNX, most exact first."""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_sfx.models.flavours.base import require
from airflow_sfx.models.schema.signature import Feature

if TYPE_CHECKING:
    import pandas as pd

MATRIX = "X"
"""The name of the only input of a graph that takes all columns as one matrix."""
_EXTRA = "'airflow-sfx[models]'"
_WIDTHS = (("int64", "double"), ("double", "double"), ("int64", "float"), ("float", "float"))
"""How whole and other numbers become tensors, the most exact first."""
_log = logging.getLogger(__name__)


def sklearn_to_onnx(
    model: Any, features: Sequence[Feature], frame: pd.DataFrame
) -> Iterator[bytes]:
    """Yield an estimator of scikit-learn as ONNX, the most exact first.

    Args:
        model: The estimator.
        features: The columns that it takes.
        frame: Some rows.
    """
    if any(one.categories is not None or one.kind == "time" for one in features):
        return
    skl2onnx = require("skl2onnx", _EXTRA, "saving a scikit-learn model")
    numeric = all(one.kind in ("number", "integer", "boolean") for one in features)
    layouts = (True, False) if numeric else (False,)
    for whole, number in _WIDTHS:
        if whole == "int64" and not any(one.kind == "integer" for one in features):
            continue
        for as_matrix in layouts:
            if as_matrix and whole == "int64":
                continue
            types = _types(features, whole, number, as_matrix=as_matrix)
            options = {"zipmap": False} if hasattr(model, "classes_") else {}
            yield from _tried(
                lambda types=types, options=options: skl2onnx.convert_sklearn(  # type: ignore[misc]
                    model,
                    initial_types=types,
                    options={id(model): options} if options else None,
                )
            )


def _types(
    features: Sequence[Feature], whole: str, number: str, *, as_matrix: bool
) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types

    kinds = {
        "int64": data_types.Int64TensorType,
        "double": data_types.DoubleTensorType,
        "float": data_types.FloatTensorType,
        "text": data_types.StringTensorType,
        "boolean": data_types.BooleanTensorType,
    }
    if as_matrix:
        return [(MATRIX, kinds[number]([None, len(features)]))]
    names = {"integer": whole, "number": number, "text": "text", "boolean": number}
    return [(one.name, kinds[names[one.kind]]([None, 1])) for one in features]


def boosting_to_onnx(
    convert: str, model: Any, features: Sequence[Feature], **options: Any
) -> Iterator[bytes]:
    """Yield a model of xgboost or lightgbm as ONNX.

    Args:
        convert: The name of the function of onnxmltools.
        model: The model.
        features: The columns that it takes.
        **options: Further arguments of the function.
    """
    if not all(one.kind in ("number", "integer", "boolean") for one in features) or any(
        one.categories is not None for one in features
    ):
        return
    try:
        tools = importlib.import_module("onnxmltools")
    except ImportError as error:  # the native model runs no code, either
        _log.info("The model is saved without ONNX, as onnxmltools is not installed: %s", error)
        return
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [(MATRIX, FloatTensorType([None, len(features)]))]
    yield from _tried(lambda: getattr(tools, convert)(model, initial_types=types, **options))


def _tried(convert: Callable[[], Any]) -> Iterator[bytes]:
    """Yield what a converter returns, nothing if it does not know the model."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield _reproducible(convert())
    except Exception as error:  # converters raise anything at models that they do not know
        _log.debug("The model was not converted to ONNX: %s", error)


def _reproducible(model: Any) -> bytes:
    """Return an ONNX model without what differs between two conversions."""
    model.graph.name = "model"
    model.doc_string = ""
    # converters list these in the order of a set of texts, which each process orders otherwise
    opsets = sorted((one.domain, one.version) for one in model.opset_import)
    del model.opset_import[:]
    for domain, version in opsets:
        model.opset_import.add(domain=domain, version=version)
    return bytes(model.SerializeToString(deterministic=True))
