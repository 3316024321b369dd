"""A column of a frame as an array of its declared dtype.

A column that has the dtype already, or one of another width, is taken as a whole. All others, and
those with a value that does not fit, are read value by value with the rules of ``values``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.portability.schema import Column
from airflow_sfx.portability.values import Read, is_missing, misfit

Array = Any
"""A column's values: an array of numpy or of pandas."""

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
"""What pandas calls ``str``, whatever its options say."""
_EPOCH = np.datetime64(0, "us")
_FIRST, _LAST = np.datetime64(datetime.min, "us"), np.datetime64(datetime.max, "us")


def array_builder(column: Column) -> Callable[[Sequence[Any]], Array]:  # noqa: PLR0911  a table of kinds
    """Return the function that makes an array of a column's values.

    Args:
        column: The column.

    Returns:
        A function of values that `reader` returned.

    Example:
        >>> from airflow_sfx.portability.schema import columns_of
        >>> array_builder(columns_of({"n": "int"}, "inputs")[0])([1, None])
        <IntegerArray>
        [1, <NA>]
        Length: 2, dtype: Int32
    """
    feature = column.feature
    if feature.categories is not None:
        return _category_builder(column)
    match feature.kind:
        case "integer" if feature.nullable:
            return _masked(pd.arrays.IntegerArray, column.arrow.to_pandas_dtype(), 0)
        case "boolean" if feature.nullable:
            return _masked(pd.arrays.BooleanArray, np.bool_, False)
        case "text":
            return _texts
        case "time" if column.zone is not None:
            return _zoned_builder(feature.dtype)
        case "date" | "decimal" | "binary":
            return _objects
    dtype = np.dtype(feature.dtype)
    return lambda values: np.array(values, dtype=dtype)


def _masked(kind: Any, dtype: Any, filler: Any) -> Callable[[Sequence[Any]], Array]:
    def build(values: Sequence[Any]) -> Array:
        if None not in values:
            return kind(np.array(values, dtype), np.zeros(len(values), np.bool_))
        mask = np.array([one is None for one in values], np.bool_)
        return kind(np.array([filler if one is None else one for one in values], dtype), mask)

    return build


def _texts(values: Sequence[Any]) -> Array:
    made: Any = pd.arrays.ArrowStringArray
    return made(pa.array(values, pa.large_string()), dtype=TEXT)


def _objects(values: Sequence[Any]) -> Array:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _category_builder(column: Column) -> Callable[[Sequence[Any]], Array]:
    known = list(column.feature.categories or ())
    index: pd.Index[Any] = (
        pd.Index(known, dtype=TEXT) if column.feature.kind == "text" else pd.Index(known)
    )
    dtype = pd.CategoricalDtype(index, ordered=column.feature.ordered)
    codes: dict[Any, int] = {value: code for code, value in enumerate(known)}
    codes[None] = -1
    width = np.min_scalar_type(-max(len(known), 1))

    def build(values: Sequence[Any]) -> Array:
        found = np.array([codes[one] for one in values], dtype=width)
        return pd.Categorical.from_codes(found, dtype=dtype, validate=False)

    return build


def _zoned_builder(dtype: str) -> Callable[[Sequence[Any]], Array]:
    made: Any = pd.array
    one = made(np.array([_EPOCH]), dtype=dtype)

    def build(values: Sequence[Any]) -> Array:
        found: Any = one.take(np.zeros(len(values), np.intp))  # parsing its dtype anew is slow
        moments = np.array(values, dtype="datetime64[us]")
        found.view(np.int64)[:] = moments.view(np.int64)  # as times, they would be checked again
        return found

    return build


def read_series(
    column: Column, read: Read, build: Callable[[Sequence[Any]], Array], values: pd.Series[Any]
) -> Array:
    """Bring a column of a frame into its declared dtype.

    Args:
        column: The column.
        read: What `reader` returned for it.
        build: What `array_builder` returned for it.
        values: The column of the frame.

    Returns:
        The array.

    Raises:
        SchemaMismatch: A value does not fit; the message names column, row, value and rule.
    """
    quick = _as_a_whole(column, values)
    if quick is not None:
        return quick
    found = []
    for row, value in enumerate(_listed(column, values)):
        try:
            found.append(read(value))
        except SchemaMismatch as error:
            raise SchemaMismatch(f"row {row}: {error}") from error.__cause__
    return build(found)


def _listed(column: Column, values: pd.Series[Any]) -> list[Any]:
    """Return the values of a column as Python's, which not all of Arrow's dates and times have."""
    try:
        return values.tolist()
    except (ValueError, OverflowError, ArithmeticError) as error:
        raise misfit(
            column,
            f"a value of {values.dtype} that Python has not",
            "leave out what is outside of the years 1 to 9999, or finer than a microsecond",
        ) from error


def _as_a_whole(column: Column, values: pd.Series[Any]) -> Array | None:  # noqa: PLR0911  a table of kinds
    """Return a column that can be taken at once; None if it must be read value by value."""
    feature, dtype = column.feature, values.dtype
    if types.is_object_dtype(dtype) or (not feature.nullable and values.isna().any()):
        return None
    if feature.categories is not None:
        return _category(column, values)
    match feature.kind:
        case "text":
            return values.array.copy() if dtype == TEXT and _is_arrow(dtype) else None
        case "number":
            return _numbers(column, values)
        case "integer":
            return _integers(column, values)
        case "boolean":
            return _booleans(column, values)
        case "time":
            return _times(column, values)
    return None


def _is_arrow(dtype: Any) -> bool:
    return cast("bool", dtype.storage == "pyarrow")


def _category(column: Column, values: pd.Series[Any]) -> Array | None:
    feature, dtype = column.feature, values.dtype
    if not isinstance(dtype, pd.CategoricalDtype):
        return None
    same = tuple(dtype.categories.tolist()) == feature.categories
    return (
        _category_builder(column)([None if is_missing(one) else one for one in values.tolist()])
        if same
        else None
    )


def _numbers(column: Column, values: pd.Series[Any]) -> Array | None:
    dtype: Any = values.dtype
    wide = column.arrow == pa.float64()
    if types.is_float_dtype(dtype):
        found = values.to_numpy(np.float64, na_value=np.nan, copy=True)
        if wide:
            return found
        with np.errstate(over="ignore"):
            narrow = found.astype(np.float32)
        return narrow if (np.isinf(narrow) == np.isinf(found)).all() else None
    if types.is_integer_dtype(dtype) and wide and not values.isna().any():
        whole = values.to_numpy(np.int64 if types.is_signed_integer_dtype(dtype) else np.uint64)
        small = len(whole) == 0 or (whole.max() <= 1 << 53 and whole.min() >= -(1 << 53))
        return whole.astype(np.float64) if small else None
    return None


def _integers(column: Column, values: pd.Series[Any]) -> Array | None:
    dtype: Any = values.dtype
    mask = values.isna().to_numpy(np.bool_)
    if types.is_integer_dtype(dtype):
        signed = types.is_signed_integer_dtype(dtype)
        whole = values.to_numpy(np.int64 if signed else np.uint64, na_value=0)
    elif types.is_float_dtype(dtype):
        numbers = values.to_numpy(np.float64, na_value=0)
        numbers = np.where(mask, 0, numbers)
        if not (np.abs(numbers) < 1 << 53).all() or (numbers != np.trunc(numbers)).any():
            return None
        whole = numbers.astype(np.int64)
    else:
        return None
    target = np.dtype(column.arrow.to_pandas_dtype())
    bounds = np.iinfo(target)
    if len(whole) and (int(whole.max()) > bounds.max or int(whole.min()) < bounds.min):
        return None
    found = whole.astype(target, copy=True)
    return pd.arrays.IntegerArray(found, mask) if column.feature.nullable else found


def _booleans(column: Column, values: pd.Series[Any]) -> Array | None:
    if not types.is_bool_dtype(values.dtype) or isinstance(values.dtype, pd.CategoricalDtype):
        return None
    found = values.to_numpy(np.bool_, na_value=False, copy=True)
    if not column.feature.nullable:
        return found
    return pd.arrays.BooleanArray(found, values.isna().to_numpy(np.bool_).copy())


def _of_python(times: pd.Series[Any]) -> bool:
    """Return whether Python has all of some times."""
    found = times.to_numpy("datetime64[us]")
    return bool(found.min() >= _FIRST and found.max() <= _LAST)


def _times(column: Column, values: pd.Series[Any]) -> Array | None:
    dtype: Any = values.dtype
    zoned = isinstance(dtype, pd.DatetimeTZDtype)
    if not (zoned or (isinstance(dtype, np.dtype) and dtype.kind == "M")):
        return None
    if zoned != (column.zone is not None):
        return None
    try:
        whole = values.dt.as_unit("us")
    except pd.errors.OutOfBoundsDatetime:
        return None
    known = whole.dropna()
    if (known != values.dropna()).any() or (len(known) and not _of_python(known)):
        return None
    if column.zone is None:
        return whole.to_numpy(copy=True)
    return whole.dt.tz_convert(column.zone).array.copy()
