"""The calls for models of R."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.session import exchange

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.models.flavours.coefficients import Coefficients
    from airflow_sfx.models.flavours.r.tree import Tree
    from airflow_sfx.models.model import Model
    from airflow_sfx.models.registry import ModelRegistry
    from airflow_sfx.warehouse.warehouse import Warehouse

Arguments = dict[str, Any]

_log = logging.getLogger(__name__)
_PREDICTION, _PROBABILITY = ".prediction", ".probability"
"""Columns with R's own answers, beside the rows."""
_MOST_OPEN = 8
_OPEN: dict[tuple[str, str], Model] = {}
"""The models that were used, by warehouse and version."""


def save(warehouse: Warehouse, folder: Path, args: Arguments) -> dict[str, object]:
    """Save a model that R has described, with rows and R's answers to them.

    Args:
        warehouse: The warehouse.
        folder: Where the frame is passed.
        args: ``name``, ``kind``, ``coefficients`` or ``tree`` or ``native``, ``classes``,
            ``levels`` of factors, how many of the rows are ``described`` and not only compared, and
            the arguments of `ModelRegistry.save`.

    Returns:
        The version.

    Raises:
        ModelRefused: The coefficients or the tree do not answer as R does.
    """
    from airflow_sfx.models.flavours.r.flavour import RModel

    table = exchange.read_frame(exchange.path_of(folder, args.pop("file", "")))
    classes = tuple(args.pop("classes", ()))
    levels = {name: list(map(str, some)) for name, some in args.pop("levels", {}).items()}
    rows, answers = _answered(table, classes)
    native = base64.b64decode(args.pop("native", ""))
    described = int(args.pop("described", len(rows)))
    scorer, why = _scorer_of(args)
    kind, parameters = str(args.pop("kind", "")), args.pop("parameters", None)
    if scorer is not None:
        rows = _with_levels(rows, levels)
    model: Any = RModel(rows, answers, classes, kind, scorer, native, parameters, levels)
    if not native and (why := why or model.refusal()):
        raise ModelRefused(
            f"{kind} cannot be kept for Python: {why}",
            remedy="save it as R's own file, which only R can use, with native = TRUE",
        )
    pins = {role: BatchPin.from_json(text) for role, text in args.pop("inputs", {}).items()}
    found = _registry(warehouse).save(
        model,
        args.pop("name", ""),
        inputs=pins,
        example=rows.head(described),
        tolerance=model.tolerance,
        **args,
    )
    return {"version": f"{found.name}/{found.version}"}


def _scorer_of(args: Arguments) -> tuple[Coefficients | Tree | None, str]:
    """Return the coefficients or the tree of a request, and why there are none."""
    from airflow_sfx.models.flavours.coefficients import Coefficients
    from airflow_sfx.models.flavours.r.tree import Tree

    coefficients, tree = args.pop("coefficients", None), args.pop("tree", None)
    try:
        if coefficients is not None:
            return Coefficients.from_json({"classes": [], **coefficients}), ""
        if tree is not None:
            return Tree.from_json(tree), ""
    except InvalidName as error:
        return None, str(error)
    return None, ""


def _with_levels(rows: pd.DataFrame, levels: dict[str, list[str]]) -> pd.DataFrame:
    """Return rows whose factors know their levels, and whose columns may all have missing values.

    Raises:
        InvalidName: A level of numbers is not written in all their digits.
    """
    import pandas as pd

    return pd.DataFrame(
        {name: _with_known(values, levels.get(str(name))) for name, values in rows.items()}
    )


def _with_known(values: pd.Series[Any], levels: list[str] | None) -> pd.Series[Any]:
    """Return a column as a category of its levels, if it has some."""
    import pandas as pd

    from airflow_sfx.models.flavours.coefficients import level_number

    if pd.api.types.infer_dtype(values) == "boolean":  # whatever is missing
        return values.astype("boolean")
    is_integer = pd.api.types.is_integer_dtype(values.dtype)
    if is_integer:
        values = values.astype("Int64")
    if levels is None:
        return values
    known: list[Any] = levels
    if pd.api.types.is_numeric_dtype(values.dtype):
        kind = int if is_integer else float
        known = [kind(level_number(one) or 0) for one in levels]
    ordered = bool(getattr(values.dtype, "ordered", False))
    found = values.astype(object).astype(pd.CategoricalDtype(known, ordered=ordered))
    if found.isna().sum() > values.isna().sum():
        raise InvalidName(
            f"the column {str(values.name)!r:.80} has values that are none of its levels: store"
            " them as text, or as whole numbers"
        )
    return found


def _answered(table: pa.Table, classes: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the rows, and R's answers to them, which are columns beside them."""
    from airflow_sfx.frames.pandas.frame import arrow_to_pandas
    from airflow_sfx.models.flavours.base import Answers

    if _PREDICTION not in table.column_names:
        raise InvalidName("the rows have no predictions: pass them again")
    beside = [name for name in table.column_names if name.startswith(_PROBABILITY)]
    kept = [name for name in table.column_names if name not in (_PREDICTION, *beside)]
    if not kept or not len(table):
        raise InvalidName("a model is saved with rows as it gets them: pass some as example =")
    predicted = table[_PREDICTION].to_pylist()
    prediction: Any = np.asarray(predicted, None if classes else np.float64)
    probability = np.column_stack([table[name].to_numpy() for name in beside]) if beside else None
    rows = arrow_to_pandas(table.select(kept)).reset_index(drop=True)
    return rows, Answers(prediction, probability)


def load(warehouse: Warehouse, folder: Path, args: Arguments) -> dict[str, object]:
    """Load a model: check its golden rows, or hand out R's own file if the caller trusts it.

    Args:
        warehouse: The warehouse.
        folder: Where a file of R is passed.
        args: ``source``; ``trust`` and ``file`` for a model that only R can use.

    Returns:
        What R shows of the model, and whether a file of R was written.
    """
    from airflow_sfx.models.artifact.rules import RDS
    from airflow_sfx.models.flavours.r.flavour import PACKAGES
    from airflow_sfx.models.model import described

    source = str(args.get("source", ""))
    found = _registry(warehouse)
    about = described(found.fetch(source), source)
    only_r = about.record.flavour == "r" and RDS in about.entries
    if only_r:
        if not args.get("trust"):
            raise ModelRefused(
                f"{source} is a file of R, which can run code when it is used",
                remedy="load it with trust = TRUE if you know who made it",
            )
        exchange.path_of(folder, args.get("file")).write_bytes(about.entries[RDS])
    else:
        _opened(warehouse, str(about))
    return {
        "version": str(about),
        "file": only_r,
        "flavour": about.record.flavour,
        "task": about.record.task,
        "columns": list(about.signature.names),
        "classes": [str(one) for one in about.classes],
        "metrics": about.metrics,
        "inputs": {role: pin.to_json() for role, pin in about.inputs.items()},
        "packages": about.params.get(PACKAGES) or [],
    }


def golden(warehouse: Warehouse, folder: Path, args: Arguments) -> dict[str, object]:
    """Write the golden rows of a model, with R's own answers beside them.

    Args:
        warehouse: The warehouse.
        folder: Where the frame is passed.
        args: ``source``, the version; and ``file``.

    Returns:
        The number of rows.
    """
    from airflow_sfx.frames.pandas.frame import pandas_to_arrow
    from airflow_sfx.models.describe.golden import golden_rows
    from airflow_sfx.models.model import described
    from airflow_sfx.models.schema.rows import frame_of

    source = str(args.get("source", ""))
    about = described(_registry(warehouse).fetch(source), source)
    columns, expected = golden_rows(about.entries, about.signature, str(about))
    rows = frame_of(about.signature, columns).assign(**{_PREDICTION: expected.prediction})
    exchange.write_frame(
        exchange.path_of(folder, args.get("file")), pandas_to_arrow(rows), "double"
    )
    return {"rows": len(rows)}


def predict(warehouse: Warehouse, folder: Path, args: Arguments) -> dict[str, object]:
    """Predict the rows of a frame, and write the answers into its place.

    Args:
        warehouse: The warehouse.
        folder: Where frames are passed.
        args: ``source``, the version; and ``file``.

    Returns:
        The number of rows.
    """
    from airflow_sfx.frames.pandas.frame import arrow_to_pandas

    path = exchange.path_of(folder, args.get("file"))
    table = exchange.read_frame(path)
    model = _opened(warehouse, str(args.get("source", "")))
    answers = model.answers(arrow_to_pandas(table))
    columns = {"prediction": _with_na(answers.prediction, table)}
    if answers.probability is not None:
        for name, values in zip(model.classes, answers.probability.T, strict=True):
            columns[f"probability.{name}"] = pa.array(np.ascontiguousarray(values))
    exchange.write_frame(path, pa.table(columns), "double")
    return {"rows": len(table)}


def _with_na(prediction: Any, table: pa.Table) -> Any:
    """Return predictions that are NA, and not NaN, where a value is, as R has them."""
    if prediction.dtype.kind != "f":
        return pa.array(prediction)
    missing = np.zeros(len(table), np.bool_)
    for column in table.columns:
        missing |= column.is_null().to_numpy()
    return pa.array(prediction, mask=missing & np.isnan(prediction))


def _registry(warehouse: Warehouse) -> ModelRegistry:
    from airflow_sfx.models.registry import ModelRegistry

    return ModelRegistry(warehouse)


def _opened(warehouse: Warehouse, version: str) -> Model:
    """Return a version, loaded once: a version never changes."""
    key = (warehouse.uri, version)
    if key not in _OPEN:
        if len(_OPEN) >= _MOST_OPEN:
            _OPEN.clear()
        _OPEN[key] = _registry(warehouse).load(version)
    return _OPEN[key]


CALLS: dict[str, Callable[[Warehouse, Path, Arguments], dict[str, object]]] = {
    "model_save": save,
    "model_load": load,
    "model_golden": golden,
    "model_predict": predict,
}
