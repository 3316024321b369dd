"""Columns of Python objects to Arrow and back, with the types of their values.

A column has values of one type, and one kind of null. The spec records both, since Arrow has
neither ``nan`` among text, nor tuples, nor a difference between arrays and lists.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray, AnyColumn
from airflow_sfx.frames.pandas.metadata import Spec
from airflow_sfx.frames.types.hive import MAX_DECIMAL_DIGITS
from airflow_sfx.frames.types.limits import check_object_nesting, check_time_zones

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Objects = NDArray[np.object_]


_ARROW: dict[type, pa.DataType] = {
    str: pa.string(),
    bytes: pa.binary(),
    bool: pa.bool_(),
    float: pa.float64(),
    dt.date: pa.date32(),
    dt.time: pa.time64("us"),
    dt.timedelta: pa.duration("us"),
}
_PLAIN = (str, bytes, bool, dt.date)  # types that need no check of the round trip
_BY_ARROW = ("str", "bytes")  # Arrow creates these objects directly
_BY_PANDAS = ("Decimal", "date", "time")
_NESTED = (list, tuple, dict)


def encode_objects(values: Objects, what: str) -> tuple[AnyArray, Spec]:
    """Convert a column of objects to Arrow.

    Args:
        values: The objects.
        what: The column's name, for messages.

    Returns:
        The Arrow array and its spec.

    Raises:
        SchemaMismatch: The values have several types, or one that cannot be stored without loss.

    Example:
        >>> import numpy as np
        >>> encode_objects(np.array(["a", None], dtype=object), "c")[1]
        {'kind': 'object', 'of': 'str', 'null': 'None'}
    """
    kinds = set(map(type, values))
    null, kinds = _null_kind(values, kinds, what)
    spec: Spec = {"kind": "object", "of": "null", "null": null}
    if not kinds:
        return pa.nulls(len(values)), spec
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise SchemaMismatch(
            f"column {what!r} mixes values of the types {names}: convert them to one type, for"
            f" example text with df[{what!r}] = df[{what!r}].astype(str)"
        )
    kind = kinds.pop()
    spec["of"] = kind.__name__
    encoder = _encoder(kind)
    if encoder is None:
        raise SchemaMismatch(
            f"column {what!r} holds objects of type {kind.__module__}.{kind.__qualname__}, which"
            f" Parquet and Hive cannot store: convert them, for example to text with df[{what!r}]"
            f" = df[{what!r}].astype(str)"
        )
    # Arrow's from_pandas accepts every kind of null; the other encoders need None.
    plain: Any = values
    if null != "None" and kind not in _PLAIN:
        plain = [None if _is_null(value, null) else value for value in values]
    check_object_nesting(plain, what)
    try:
        array = encoder(plain, spec)
    except (pa.ArrowException, OverflowError, ValueError, TypeError) as error:
        raise SchemaMismatch(
            f"column {what!r} (objects of type {kind.__name__}) cannot be converted ({error}): give"
            " all values one type, or store them as text"
        ) from error
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if kind not in _PLAIN:
        check_time_zones(pa.field(what, array.type))
        _check_round_trip(plain, array, spec, what)
    return array, spec


def decode_objects(column: AnyColumn, spec: Spec) -> Objects:
    """Convert a column back to objects.

    Args:
        column: The Arrow column.
        spec: Its spec, as `encode_objects` returns it.

    Returns:
        The objects.

    Example:
        >>> spec = {"kind": "object", "of": "str", "null": "nan"}
        >>> decode_objects(pa.chunked_array([["a", None]]), spec).tolist()
        ['a', nan]
    """
    import numpy as np

    kind = spec["of"]
    made: Objects
    if kind in _BY_ARROW:
        made = np.array(column.to_numpy(), dtype=object)
    elif kind in _BY_PANDAS:
        made = column.to_pandas(date_as_object=True).to_numpy(dtype=object, copy=True)
    else:
        made = _object_array(_python_values(column, spec))
    if spec["null"] != "None" and column.null_count:
        made[column.is_null().to_numpy()] = _null(spec["null"])
    return made


def _null_kind(values: Objects, kinds: set[type], what: str) -> tuple[str, set[type]]:
    """Separate nulls from values: return the kind of null, and the types of values."""
    import pandas as pd

    names = {type(None): "None", type(pd.NA): "NA", type(pd.NaT): "NaT"}
    nulls = {names[kind] for kind in kinds if kind in names}
    rest = {kind for kind in kinds if kind not in names}
    if float in rest and (
        len(rest) > 1 or not any(not math.isnan(value) for value in values if type(value) is float)
    ):
        # Floats that are not NaN, among other types.
        if any(not math.isnan(value) for value in values if type(value) is float):
            return "None", rest
        nulls.add("nan")
        rest.remove(float)
    if len(nulls) > 1:
        raise SchemaMismatch(
            f"column {what!r} has several kinds of null ({', '.join(sorted(nulls))}), and a file"
            f" stores one kind: use one with df[{what!r}] ="
            f" df[{what!r}].where(df[{what!r}].notna(), None)"
        )
    return (nulls.pop() if nulls else "None"), rest


def _is_null(value: object, null: str) -> bool:
    if null == "nan":
        return type(value) is float and math.isnan(value)
    return null != "None" and type(value).__name__ in ("NAType", "NaTType")


def _null(name: str) -> object:
    import pandas as pd

    return {"nan": float("nan"), "NA": pd.NA, "NaT": pd.NaT, "None": None}[name]


def _encoder(kind: type) -> Callable[[Any, Spec], Any] | None:
    import numpy as np
    import pandas as pd

    if kind in _ARROW:
        return lambda values, spec: pa.array(values, _ARROW[kind], from_pandas=kind in _PLAIN)
    if kind in _NESTED:
        return lambda values, spec: pa.array(values, from_pandas=False)
    if issubclass(kind, np.number | np.bool_) and not issubclass(
        kind, np.complexfloating | np.longdouble
    ):
        return _encode_scalars
    if kind in (pd.Timestamp, pd.Timedelta):
        return lambda values, spec: pa.array(pd.Index(values), from_pandas=True)
    return {
        int: _encode_integers,
        decimal.Decimal: _encode_decimals,
        dt.datetime: lambda values, spec: pa.array(values, from_pandas=False),
        uuid.UUID: lambda values, spec: pa.array(
            [None if one is None else str(one) for one in values], pa.string()
        ),
        np.ndarray: _encode_vectors,
    }.get(kind)


def _encode_integers(values: Any, spec: Spec) -> Any:
    try:
        return pa.array(values, pa.int64())
    except (pa.ArrowInvalid, OverflowError):
        return pa.array(values, pa.uint64())


def _encode_decimals(values: Any, spec: Spec) -> Any:
    if not all(value is None or value.is_finite() for value in values):
        raise ValueError("a decimal is NaN or infinite")
    made = pa.array(values)
    if made.type.precision > MAX_DECIMAL_DIGITS:
        raise ValueError(
            f"the decimals need {made.type.precision} digits, and up to {MAX_DECIMAL_DIGITS} fit"
        )
    return made


def _encode_scalars(values: Any, spec: Spec) -> Any:
    import numpy as np

    kinds = {value.dtype for value in values if value is not None}
    spec["of"], spec["dtype"] = "scalar", kinds.pop().str
    return pa.array(values, pa.from_numpy_dtype(np.dtype(spec["dtype"])))


def _encode_vectors(values: Any, spec: Spec) -> Any:
    kinds = {(value.dtype, value.ndim) for value in values if value is not None}
    if len(kinds) > 1 or any(ndim != 1 or dtype.kind not in "biuf" for dtype, ndim in kinds):
        raise ValueError("the arrays are not all of one dimension and one numeric type")
    spec["dtype"] = kinds.pop()[0].str
    return pa.array(values, from_pandas=False)


def _python_values(column: AnyColumn, spec: Spec) -> Iterable[Any]:
    import numpy as np
    import pandas as pd

    kind = spec["of"]
    if kind in ("Timestamp", "Timedelta"):
        return [None if value is pd.NaT else value for value in pd.Series(column.to_pandas())]
    values = column.to_pylist()
    if kind == "datetime":
        return [
            value.to_pydatetime() if isinstance(value, pd.Timestamp) else value for value in values
        ]
    makers: dict[str, Callable[[Any], Any]] = {
        "tuple": tuple,
        "UUID": uuid.UUID,
        "scalar": np.dtype(spec.get("dtype", "O")).type,
        "ndarray": lambda value: np.array(value, dtype=spec["dtype"]),
    }
    make = makers.get(kind)
    return values if make is None else [None if value is None else make(value) for value in values]


def _object_array(values: Iterable[Any]) -> Objects:
    """Return a one-dimensional array of objects, even for lists of one length."""
    import numpy as np

    found = list(values)
    made = np.empty(len(found), dtype=object)
    for i, value in enumerate(found):
        made[i] = value
    return made


def _check_round_trip(values: Any, array: AnyArray, spec: Spec, what: str) -> None:
    again = decode_objects(pa.chunked_array([array]), {**spec, "null": "None"})
    for row, (before, after) in enumerate(zip(values, again, strict=True)):
        if not _equal(before, after):
            raise SchemaMismatch(
                f"column {what!r} would change when loaded: row {row} has {before!r:.120} and"
                f" would be {after!r:.120}. Give all values one type and the same keys (lists and"
                " dictionaries too), or store them as JSON text"
            )


def _equal(before: Any, after: Any) -> bool:  # noqa: PLR0911  a table of types, in order
    if type(before) is not type(after):
        return False
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(_equal, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(
            _equal(value, after[key]) for key, value in before.items()
        )
    if isinstance(before, dt.datetime):
        return bool(before == after) and before.utcoffset() == after.utcoffset()
    if isinstance(before, dt.time):
        return before == after and before.tzinfo is None
    if hasattr(before, "dtype") and hasattr(before, "tobytes"):
        return bool(before.dtype == after.dtype and before.tobytes() == after.tobytes())
    if isinstance(before, float):
        return bool(before == after) or (math.isnan(before) and math.isnan(after))
    return bool(before == after)
