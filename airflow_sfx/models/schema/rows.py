"""Rows that a model gets, as columns of numpy arrays that fit its signature.

Rows come as a mapping of columns, a list of records, or a frame of pandas, polars or Arrow. Needs
numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.validation import shown
from airflow_sfx.models.schema.signature import Feature, Signature

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
Unseen = Literal["refuse", "missing"]
"""What a value that is not one of a column's categories does."""

_MISSING = {"NAType", "NaTType", "NoneType"}


class Columns:
    """Rows as one array a column.

    Numbers are float64 with NaN, integers int64 (object if some are missing), booleans bool (object
    if some are missing), text object with None, times datetime64[us] with NaT.

    Args:
        arrays: The arrays by column, in the order of the signature.
        rows: How many rows there are.
    """

    def __init__(self, arrays: Mapping[str, Array], rows: int) -> None:
        self.arrays = dict(arrays)
        self.rows = rows


def columns_of(signature: Signature, rows: object, *, unseen: Unseen = "refuse") -> Columns:
    """Bring rows into the columns of a signature.

    Args:
        signature: What the model takes.
        rows: The rows: a frame, a mapping of columns, or a sequence of records. Columns that the
            model does not take are left out.
        unseen: Whether a value outside of a column's categories is refused, or becomes missing.

    Returns:
        The columns.

    Raises:
        SchemaMismatch: A column is missing, or a value does not fit it.

    Example:
        >>> one = Feature("distance", "integer", "int64", "int64")
        >>> columns_of(Signature((one,), ()), [{"distance": 1400}]).arrays["distance"].tolist()
        [1400]
    """
    if unseen not in ("refuse", "missing"):
        raise SchemaMismatch(f"unseen={unseen!r:.80} is not a choice: pass 'refuse' or 'missing'")
    get = _getter(rows, signature)
    arrays = {one.name: _array(one, get(one.name), unseen) for one in signature.inputs}
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) > 1:
        raise SchemaMismatch(
            f"the columns have {' and '.join(map(str, sorted(lengths)))} values: pass as many of"
            " each"
        )
    return Columns(arrays, lengths.pop() if lengths else 0)


def _getter(rows: object, signature: Signature) -> Any:
    """Return a function that returns a column's values by name."""
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        records = list(rows)
        for number, record in enumerate(records):
            if not isinstance(record, Mapping):
                raise SchemaMismatch(
                    f"row {number} is {shown(record)}, not a record: pass a mapping of columns to"
                    " values"
                )
            _require(signature, record.keys(), f"row {number}")
        return lambda name: [record[name] for record in records]
    names: Iterable[object]
    if isinstance(rows, Mapping):
        names = rows.keys()
    elif hasattr(rows, "column_names"):
        names = rows.column_names
    elif hasattr(rows, "columns"):
        names = rows.columns
    else:
        raise SchemaMismatch(
            f"{type(rows).__name__} is not a frame: pass a DataFrame, a pyarrow Table, a mapping of"
            " columns, or a list of records"
        )
    _require(signature, set(names), "the frame")
    return lambda name: rows[name]  # type: ignore[index]


def _require(signature: Signature, names: Any, what: str) -> None:
    missing = [name for name in signature.names if name not in names]
    if missing:
        raise SchemaMismatch(
            f"{what} has no column {missing[0]!r:.80}, which the model takes: it takes"
            f" {', '.join(signature.names)}"
        )


def _array(feature: Feature, values: Any, unseen: Unseen) -> Array:
    if type(values) is list and feature.categories is None:
        quick = _of_one_type(feature, values)
        if quick is not None:
            return quick
    found = np.asarray(_plain(values))
    if found.ndim != 1:
        raise _misfit(feature, "a list of lists", "pass one value a row")
    if feature.categories is not None:
        return _of_categories(feature, found, unseen)
    missing = _missing(found)
    if missing.any() and not feature.nullable:
        raise _misfit(
            feature,
            f"{int(missing.sum())} missing values",
            "the model was trained without any; fill them, or leave these rows out",
        )
    convert = {
        "number": _numbers,
        "integer": _integers,
        "boolean": _booleans,
        "text": _texts,
        "time": _times,
    }[feature.kind]
    return convert(feature, found, missing)


def _of_one_type(feature: Feature, values: list[Any]) -> Array | None:
    """Return a list whose values are all of the column's Python type; None for any other list.

    The rows of a server are such lists, and what `_array` does for all others takes longer than
    many a model.
    """
    kinds = set(map(type, values))
    try:
        if feature.kind == "number" and kinds <= {int, float}:
            numbers = np.array(values, dtype=np.float64)
            return numbers if feature.nullable or not np.isnan(numbers).any() else None
        if feature.kind == "integer" and kinds == {int}:
            return np.array(values, dtype=np.int64)
    except OverflowError:
        return None
    if (feature.kind, kinds) in (("text", {str}), ("boolean", {bool})):
        found = np.empty(len(values), dtype=object if feature.kind == "text" else np.bool_)
        found[:] = values
        return found
    return None


def _plain(values: Any) -> Any:
    """Return a column as an array or a list."""
    if hasattr(values, "to_numpy"):
        nulls = getattr(values, "null_count", 0)  # of Arrow and polars, which make NaN of them
        if nulls() if callable(nulls) else nulls:
            listed = values.to_pylist() if hasattr(values, "to_pylist") else values.to_list()
            return _objects(listed)
        if hasattr(values, "dtype") and hasattr(values.dtype, "tz"):
            return values.to_numpy(dtype="datetime64[us]")
        if hasattr(values, "hasnans") and not isinstance(values.dtype, np.dtype) and values.hasnans:
            return values.to_numpy(dtype=object)  # pandas makes NaN of missing integers
        return values.to_numpy()
    return _objects(values) if _is_mixed(values) else values


def _objects(values: Sequence[Any]) -> Array:
    """Return values as an array of Python objects, of one dimension whatever they are."""
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _is_mixed(values: Any) -> bool:
    """Return whether a list must stay a list of Python objects: numpy would make text of all."""
    kinds = set(map(type, values)) if isinstance(values, list | tuple) else set()
    return len(kinds) > 1 or bool(kinds & {list, dict})


def _missing(found: Array) -> npt.NDArray[np.bool_]:
    if found.dtype.kind == "f":
        return np.isnan(found)
    if found.dtype.kind == "M":
        return np.isnat(found)
    if found.dtype.kind == "O":
        return np.fromiter((_is_missing(one) for one in found), dtype=bool, count=len(found))
    return np.zeros(len(found), dtype=bool)


def _is_missing(value: object) -> bool:
    return type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value))


def _numbers(feature: Feature, found: Array, missing: npt.NDArray[np.bool_]) -> Array:
    if found.dtype.kind in "fiu":
        return found.astype(np.float64)
    result = np.full(len(found), np.nan)
    for place, value in enumerate(found.tolist()):
        if not missing[place]:
            result[place] = _number(feature, value)
    return result


def _number(feature: Feature, value: Any) -> float:
    if value in ("Infinity", "-Infinity"):  # as golden rows have them
        return float(value.replace("Infinity", "inf"))
    if isinstance(value, str | bytes | bool | np.bool_):
        raise _misfit(feature, _shown(value), "pass numbers")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise _misfit(feature, _shown(value), "pass numbers") from error


def _integers(feature: Feature, found: Array, missing: npt.NDArray[np.bool_]) -> Array:
    if found.dtype.kind in "iu" and found.dtype != np.uint64:
        return found.astype(np.int64)
    result = np.empty(len(found), dtype=object if missing.any() else np.int64)
    for place, value in enumerate(found.tolist()):
        result[place] = None if missing[place] else _integer(feature, value)
    return result


def _integer(feature: Feature, value: Any) -> int:
    whole = not isinstance(value, str | bytes | bool | np.bool_)
    try:
        number = int(value) if whole else 0
        if whole and number == value and -(1 << 63) <= number < 1 << 63:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise _misfit(feature, _shown(value), "pass whole numbers of 64 bits")


def _booleans(feature: Feature, found: Array, missing: npt.NDArray[np.bool_]) -> Array:
    if found.dtype.kind == "b":
        return found
    result = np.empty(len(found), dtype=object if missing.any() else bool)
    for place, value in enumerate(found.tolist()):
        if missing[place]:
            result[place] = None
        elif isinstance(value, bool):
            result[place] = value
        else:
            raise _misfit(feature, _shown(value), "pass true or false")
    return result


def _texts(feature: Feature, found: Array, missing: npt.NDArray[np.bool_]) -> Array:
    result = np.empty(len(found), dtype=object)
    for place, value in enumerate(found.tolist()):
        if missing[place]:
            result[place] = None
        elif isinstance(value, str):
            result[place] = value
        else:
            raise _misfit(feature, _shown(value), "pass text")
    return result


def _times(feature: Feature, found: Array, missing: npt.NDArray[np.bool_]) -> Array:
    if found.dtype.kind == "M":
        return found.astype("datetime64[us]")
    result = np.full(len(found), np.datetime64("NaT"), dtype="datetime64[us]")
    for place in np.flatnonzero(~missing):
        result[place] = _time(feature, found[place])
    return result


def _time(feature: Feature, value: Any) -> np.datetime64:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, datetime):
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC).replace(tzinfo=None)
            return np.datetime64(moment, "us")
        if isinstance(moment, date):
            return np.datetime64(moment.isoformat(), "us")
    except (TypeError, ValueError) as error:
        raise _misfit(feature, _shown(value), "pass times in ISO 8601") from error
    raise _misfit(feature, _shown(value), "pass times in ISO 8601")


def _of_categories(feature: Feature, found: Array, unseen: Unseen) -> Array:
    assert feature.categories is not None
    known = set(feature.categories)
    result = np.empty(len(found), dtype=object)
    for place, value in enumerate(found):
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None or _is_missing(plain):
            result[place] = None
        elif isinstance(plain, str | int | float) and plain in known:
            result[place] = plain
        elif unseen == "missing":
            result[place] = None
        else:
            raise _misfit(
                feature,
                _shown(plain),
                f"the model knows {len(known)} categories, such as"
                f" {next(iter(known), None)!r:.40}; pass unseen='missing' to score it as missing",
            )
    return result


def _shown(value: Any) -> str:
    return shown(value.item() if isinstance(value, np.generic) else value)


def _misfit(feature: Feature, what: str, remedy: str) -> SchemaMismatch:
    return SchemaMismatch(f"the column {feature.name!r:.80} ({feature.type}) has {what}: {remedy}")


def frame_of(signature: Signature, columns: Columns) -> pd.DataFrame:
    """Return columns as the pandas frame that the model was trained on.

    Args:
        signature: What the model takes.
        columns: The columns.

    Returns:
        The frame, with the dtypes and the categories of the training data.
    """
    import pandas as pd

    made = {one.name: _series(one, columns.arrays[one.name]) for one in signature.inputs}
    return pd.DataFrame(made, index=range(columns.rows))


def _series(feature: Feature, array: Array) -> pd.Series[Any]:
    import pandas as pd

    if feature.categories is not None:
        index = pd.Index(list(feature.categories))
        dtype = pd.CategoricalDtype(index, ordered=feature.ordered)
        return pd.Series(pd.Categorical(array, dtype=dtype))
    if feature.kind == "time":
        series: Any = pd.Series(array)
        if ", " in feature.dtype:  # datetime64[us, UTC]
            zone = feature.dtype.rpartition(", ")[2].rstrip("]")
            series = series.dt.tz_localize("UTC").dt.tz_convert(zone)
        return cast("pd.Series[Any]", series.astype(feature.dtype))
    if feature.kind == "number" and array.dtype == object:
        array = array.astype(np.float64)
    return cast("pd.Series[Any]", pd.Series(array, dtype=_dtype(feature, array)))


def _dtype(feature: Feature, array: Array) -> Any:
    if feature.dtype == "object" and feature.kind == "boolean":
        return object if array.dtype == object else bool
    return feature.dtype
