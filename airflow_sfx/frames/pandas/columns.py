"""Single pandas columns, or index levels, to Arrow and back with their dtypes.

Most dtypes follow from the Arrow type. The others (categories, nullable numbers, objects, periods
and so on) need a spec, a small JSON object from which the column is restored.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyColumn
from airflow_sfx.frames.pandas.interval_labels import labels_from_text, labels_to_text
from airflow_sfx.frames.pandas.metadata import Spec
from airflow_sfx.frames.pandas.nested import beyond_float, exact_in_pandas
from airflow_sfx.frames.pandas.objects import decode_objects, encode_objects
from airflow_sfx.frames.types.families import is_text

if TYPE_CHECKING:
    import pandas as pd

_MASKED = {
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
    "float": "Float32",
    "double": "Float64",
    "bool": "boolean",
}
_EMPTY_DTYPES = ("object", "float64")
"""The default dtypes of categories if there are none."""


def encode_values(  # noqa: PLR0911
    values: pd.Series[Any] | pd.Index[Any], what: str
) -> tuple[Any, Spec | None]:
    """Convert a column to Arrow.

    Args:
        values: The column, or a level of an index.
        what: Its name, for messages.

    Returns:
        The Arrow array, and its spec, or None if the dtype follows from the Arrow type.

    Raises:
        SchemaMismatch: The column cannot be stored without loss.

    Example:
        >>> import pandas as pd
        >>> encode_values(pd.Series([1, None], dtype="Int64"), "n")[1]
        {'kind': 'masked'}
    """
    import numpy as np
    import pandas as pd

    dtype: Any = values.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind == "O":
            return encode_objects(values.to_numpy(), what)
        if dtype.isnative and (
            dtype.kind in "biuMm" or (dtype.kind == "f" and dtype.itemsize <= 8)  # noqa: PLR2004
        ):
            return pa.array(values, from_pandas=True), None
    elif isinstance(dtype, pd.CategoricalDtype):
        return _encode_category(values.array, what)
    elif isinstance(dtype, pd.StringDtype):
        plain = dtype.storage == "pyarrow" and dtype.na_value is not pd.NA
        na = "NA" if dtype.na_value is pd.NA else "nan"
        return pa.array(values.array), (
            None if plain else {"kind": "string", "storage": dtype.storage, "na": na}
        )
    elif isinstance(dtype, pd.DatetimeTZDtype):
        return _encode_zoned(values, what)
    elif dtype.name in _MASKED.values():
        return pa.array(values.array), {"kind": "masked"}
    elif isinstance(dtype, pd.ArrowDtype):
        return pa.chunked_array(values.array.__arrow_array__()), {"kind": "arrow"}
    elif isinstance(dtype, pd.PeriodDtype):
        return pa.array(values.array).storage, {"kind": "period", "freq": dtype.name}
    elif isinstance(dtype, pd.IntervalDtype):
        return _encode_intervals(values.array, what)
    raise _refused(what, dtype)


def decode_values(column: AnyColumn, spec: Spec | None) -> Any:  # noqa: PLR0911
    """Convert a column back to pandas.

    Args:
        column: The Arrow column.
        spec: Its spec, as `encode_values` returns it.

    Returns:
        Values that pandas accepts for a column or an index, with their dtype.

    Example:
        >>> decode_values(pa.chunked_array([[1, None]]), {"kind": "masked"}).dtype
        Int64Dtype()
    """
    import pandas as pd

    kind = None if spec is None else spec["kind"]
    if spec is None or kind == "plain" or not _fits(column.type, spec):
        return plain_values(column)
    if kind == "blank":
        return column.cast(pa.float64()).to_numpy()
    if kind == "masked":
        return masked_values(column)
    if kind == "object":
        return decode_objects(column, spec)
    if kind == "category":
        return _decode_category(column, spec)
    if kind == "string":
        na = pd.NA if spec["na"] == "NA" else float("nan")
        dtype: Any = pd.StringDtype(spec["storage"], na_value=na)
        return dtype.__from_arrow__(column)
    if kind == "arrow":
        return pd.arrays.ArrowExtensionArray(column)
    if kind == "period":
        periods: Any = pd.PeriodIndex
        return periods.from_ordinals(_ordinals(column), freq=_period_freq(spec)).array
    return _decode_intervals(column, spec)


def plain_values(column: AnyColumn) -> Any:
    """Convert a column to the default dtype of its Arrow type, if that is lossless.

    Integers that a float would round get a nullable dtype. Values that pandas' own objects cannot
    hold keep their Arrow type.

    Args:
        column: The Arrow column.

    Returns:
        The values, as from `decode_values`.

    Example:
        >>> plain_values(pa.chunked_array([[2**60 + 1, None]])).dtype
        Int64Dtype()
        >>> plain_values(pa.chunked_array([pa.array([1], pa.time64("ns"))])).dtype
        time64[ns][pyarrow]
    """
    import pandas as pd

    if types.is_integer(column.type) and column.null_count and beyond_float(column):
        return masked_values(column)
    dtype = pandas_dtype(column.type)
    if dtype is not None:
        return dtype.__from_arrow__(column)
    if exact_in_pandas(column):
        # Python may be unable to represent a value, such as a year beyond 9999.
        with contextlib.suppress(pa.ArrowException, ValueError, OverflowError):
            return column.to_pandas()
    return pd.arrays.ArrowExtensionArray(column)


def pandas_dtype(kind: Any) -> Any:
    """Return pandas' default dtype for an Arrow type if pyarrow would choose another.

    Args:
        kind: The Arrow type.

    Returns:
        The dtype, or None if pyarrow chooses pandas' default.

    Example:
        >>> pandas_dtype(pa.timestamp("us", "UTC")).tz
        datetime.timezone.utc
    """
    import pandas as pd

    if is_text(kind):
        return pd.StringDtype("pyarrow", na_value=float("nan"))
    if types.is_timestamp(kind) and kind.tz == "UTC":
        return pd.DatetimeTZDtype(kind.unit, "UTC")
    return None


def masked_values(column: AnyColumn) -> Any:
    """Convert a numeric or boolean column to pandas' nullable array of the same type.

    Args:
        column: The Arrow column.

    Returns:
        The array.

    Example:
        >>> masked_values(pa.chunked_array([[2**60 + 1, None]])).dtype
        Int64Dtype()
    """
    import pandas as pd

    dtype: Any = pd.api.types.pandas_dtype(_MASKED[str(column.type)])
    return dtype.__from_arrow__(column)


def _fits(kind: pa.DataType, spec: Spec) -> bool:
    """Return whether a spec still describes a column, which may have changed since."""
    expected = spec.get("type")
    if spec["kind"] == "category":
        return types.is_dictionary(kind)
    if spec["kind"] in ("masked", "arrow", "string"):
        return spec["kind"] != "masked" or str(kind) in _MASKED
    return expected is None or expected == str(kind)


def _encode_zoned(values: Any, what: str) -> tuple[Any, None]:
    import pandas as pd

    try:
        array = pa.array(values, from_pandas=True)
        again = pd.Series(plain_values(pa.chunked_array([array[:0]]))).dtype
    except (pa.ArrowException, ValueError, KeyError):
        again = None
    if again != values.dtype:
        raise SchemaMismatch(
            f"column {what!r} has the time zone {values.dtype.tz!r}, which cannot be stored by"
            f' name: convert it, as with df[{what!r}].dt.tz_convert("UTC")'
        )
    return array, None


def _encode_category(values: Any, what: str) -> tuple[Any, Spec]:
    categories = values.categories
    try:
        dictionary, inner = encode_values(categories, what)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"the categories of {error}") from error
    if isinstance(dictionary, pa.ChunkedArray):
        dictionary = dictionary.combine_chunks()
    spec: Spec = {"kind": "category"}
    if inner is not None:
        spec["values"] = {**inner, "type": str(dictionary.type)}
    if types.is_nested(dictionary.type):  # intervals: text in files, intervals in the spec
        spec["labels"] = labels_to_text(dictionary)
        dictionary = pa.array([str(category) for category in categories], pa.string())
        if len(dictionary.unique()) != len(dictionary):
            raise SchemaMismatch(
                f"column {what!r} has different categories with the same text: give them distinct"
                " labels"
            )
    elif not len(categories) and categories.dtype in _EMPTY_DTYPES:
        spec["values"] = {"kind": "empty", "dtype": str(categories.dtype)}
        dictionary = pa.nulls(0)
    codes = values.codes
    indices = pa.array(codes, mask=codes == -1)
    return (
        pa.DictionaryArray.from_arrays(
            indices, dictionary, ordered=bool(values.ordered), safe=False
        ),
        spec,
    )


def _decode_category(column: AnyColumn, spec: Spec) -> Any:
    import pandas as pd

    kind: Any = column.type
    shared = column if types.is_null(kind.value_type) else column.unify_dictionaries()
    chunks: list[Any] = shared.chunks
    dictionary = chunks[0].dictionary if chunks else pa.array([], kind.value_type)
    inner: Spec | None = spec.get("values")
    labels = labels_from_text(spec["labels"]) if "labels" in spec else None
    if labels is not None:
        made = pd.Index(decode_values(pa.chunked_array([labels]), inner))
        # They differ if batches with other intervals were read as one frame.
        if [str(one) for one in made] != dictionary.to_pylist():
            made = pd.Index(plain_values(pa.chunked_array([dictionary])))
    elif inner is not None and (inner["kind"] == "empty" or inner.get("of") == "null"):
        dtype = inner.get("dtype", "object")  # absent in specs of earlier versions
        made = (
            pd.Index(plain_values(pa.chunked_array([dictionary])))
            if len(dictionary)
            else pd.Index([], dtype=dtype)
        )
    else:
        made = pd.Index(
            decode_values(pa.chunked_array([dictionary]), inner), dtype=_index_dtype(inner)
        )
    codes: AnyColumn = pa.chunked_array([chunk.indices for chunk in chunks], type=kind.index_type)
    dense: AnyColumn = pc.fill_null(codes, -1) if codes.null_count else codes
    return pd.Categorical.from_codes(
        dense.to_numpy(), dtype=pd.CategoricalDtype(made, ordered=kind.ordered), validate=False
    )


def _index_dtype(spec: Spec | None) -> Any:
    """Return the dtype of an index, as pandas would convert objects to text."""
    return object if spec is not None and spec["kind"] == "object" else None


def _encode_intervals(values: Any, what: str) -> tuple[Any, Spec]:
    left, inner = encode_values(values.left, what)
    right, _ = encode_values(values.right, what)
    if types.is_nested(left.type):
        raise _refused(what, values.dtype)
    made = pa.StructArray.from_arrays(
        [left, right], names=["left", "right"], mask=pa.array(values.isna())
    )
    return made, {
        "kind": "interval",
        "closed": values.closed,
        **({"values": inner} if inner else {}),
    }


def _decode_intervals(column: AnyColumn, spec: Spec) -> Any:
    import pandas as pd

    struct: Any = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    struct = struct.chunk(0) if isinstance(struct, pa.ChunkedArray) else struct
    ends = [
        pd.Index(decode_values(pa.chunked_array([end]), spec.get("values")))
        for end in struct.flatten()
    ]
    return pd.arrays.IntervalArray.from_arrays(ends[0], ends[1], closed=spec["closed"])


def _ordinals(column: AnyColumn) -> Any:
    return pc.fill_null(column, -(2**63)).to_numpy()  # the ordinal of NaT


def _period_freq(spec: Spec) -> str:
    name: str = spec["freq"]
    return name.removeprefix("period[").removesuffix("]")


def _refused(what: str, dtype: object) -> SchemaMismatch:
    name = str(dtype)
    remedies = {
        "Sparse": f"make it dense with df[{what!r}] = df[{what!r}].sparse.to_dense()",
        "complex": "store its real and imaginary parts as two columns",
        "float": "convert it to float64",
    }
    found = next((text for start, text in remedies.items() if name.startswith(start)), None)
    remedy = (
        found
        or "convert it to a common dtype, for example text with"
        f" df[{what!r}] = df[{what!r}].astype(str)"
    )
    return SchemaMismatch(
        f"column {what!r} has the dtype {name}, which cannot be stored without loss: {remedy}"
    )
