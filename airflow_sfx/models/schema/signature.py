"""What a model takes and gives: its columns with types, categories and nulls.

Needs numpy only, so that a server loads neither pandas nor pyarrow. A frame is first brought into
columns of numpy arrays; see `airflow_sfx.models.schema.rows`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.serde import Record

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "integer", "boolean", "text", "time", "date", "decimal", "binary"]
"""What the values of a column are, whatever their width. Models take the first five only."""

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Feature:
    """A column that a model takes.

    Args:
        name: The column's name.
        kind: What its values are: ``number``, ``integer``, ``boolean``, ``text`` or ``time``.
        type: Its Arrow type, such as ``int64`` or ``timestamp[us, tz=UTC]``; of a category, that
            of its values.
        dtype: Its pandas dtype, such as ``Int64``, ``float64``, ``str`` or ``category``.
        nullable: Whether it may have missing values.
        categories: The values of a category in their order, or None for another column.
        ordered: Whether the categories are ordered.
        least: The least value that the model was trained on, or None.
        greatest: The greatest value, or None.

    Example:
        >>> Feature("distance", "integer", "int64", "Int64", nullable=True).name
        'distance'
    """

    name: str
    kind: Kind
    type: str
    dtype: str
    nullable: bool = False
    categories: tuple[Value, ...] | None = None
    ordered: bool = False
    least: Value | None = None
    greatest: Value | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A column that a model gives.

    Args:
        name: ``prediction``, or ``probability`` with one number for each class.
        type: Its Arrow type.
        classes: The classes that the probabilities are of, in their order.
        kind: What its values are, of a function's column; None for a model's.

    Example:
        >>> Output("prediction", "double").classes
        ()
    """

    name: str
    type: str
    classes: tuple[Value, ...] = ()
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives.

    Args:
        inputs: The columns that it takes, in the order in which it was trained on them.
        outputs: The columns that it gives.

    Example:
        >>> one = Feature("distance", "number", "double", "float64", nullable=True)
        >>> Signature((one,), (Output("prediction", "double"),)).names
        ('distance',)
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Output, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that the model takes."""
        return tuple(one.name for one in self.inputs)

    def to_json(self) -> dict[str, object]:
        """Return the members of ``signature.json``."""
        return {
            "inputs": [_without_nothing(one, Feature) for one in self.inputs],
            "outputs": [_without_nothing(one, Output) for one in self.outputs],
        }


class SignatureRecord(Record):
    """The shape of ``signature.json``."""

    inputs: tuple[Feature, ...]
    outputs: tuple[Output, ...]

    def signature(self) -> Signature:
        """Return the signature."""
        return Signature(self.inputs, self.outputs)


def _without_nothing(one: Feature | Output, kind: type[Feature | Output]) -> dict[str, object]:
    """Return the members of a column that say something."""
    members = {name: getattr(one, name) for name in kind.__slots__}
    return {name: value for name, value in members.items() if value not in (None, False, ())}


def signature_of(
    frame: pd.DataFrame, features: Sequence[str] | None, target: str | None
) -> tuple[Feature, ...]:
    """Return the columns that a model takes, from the rows that it was trained on.

    Args:
        frame: The rows.
        features: The names of the columns that the model says it was trained on, in their order,
            or None for all columns but the target.
        target: The column that it predicts, or None.

    Returns:
        The columns.

    Raises:
        SchemaMismatch: The rows lack a column, a column has values that no model takes, or the
            model takes what it predicts.
    """
    if features is None:
        features = [str(name) for name in frame.columns if name != target]
    if target in features:
        raise SchemaMismatch(
            f"the model was fitted on rows with its target {target!r:.80}, so it would ask for it"
            " when it predicts: fit it on the columns that it is to get"
        )
    missing = [name for name in features if name not in frame.columns]
    if missing:
        raise SchemaMismatch(
            f"the model was trained on the column {missing[0]!r:.80}, which the training batches do"
            " not have: pass the rows as the model gets them, as example=frame"
        )
    return tuple(_feature(name, frame[name]) for name in features)


def _feature(name: str, values: pd.Series[Any]) -> Feature:
    import pandas as pd

    nulls = bool(values.isna().any())
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _category(name, values, nulls=nulls)
    kind, arrow = _kind_of(name, values)
    extension = pd.api.types.is_extension_array_dtype(values.dtype) and kind != "text"
    nullable = nulls or extension or kind in ("number", "time")
    least, greatest = (None, None) if kind in ("text", "boolean") else _bounds(values, kind)
    return Feature(
        name, kind, arrow, str(values.dtype), nullable, None, least=least, greatest=greatest
    )


def _category(name: str, values: pd.Series[Any], *, nulls: bool) -> Feature:
    import pandas as pd

    dtype = values.dtype
    assert isinstance(dtype, pd.CategoricalDtype)
    categories = pd.Series(dtype.categories)
    kind, arrow = _kind_of(name, categories)
    if kind == "time":
        raise _unsupported(name, "categories that are times")
    return Feature(
        name,
        kind,
        arrow,
        "category",
        nullable=True,
        categories=tuple(categories.tolist()),
        ordered=bool(dtype.ordered),
    )


def _kind_of(name: str, values: pd.Series[Any]) -> tuple[Kind, str]:
    import pandas as pd
    import pyarrow as pa
    from pandas.api import types

    dtype = values.dtype
    try:
        arrow = pa.Array.from_pandas(values.head(1000)).type
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _unsupported(name, f"values of several kinds ({error})") from error
    if types.is_bool_dtype(dtype) or pa.types.is_boolean(arrow):
        return "boolean", "bool"
    if types.is_integer_dtype(dtype):
        return "integer", str(arrow)
    if types.is_float_dtype(dtype) or pa.types.is_decimal(arrow):
        return "number", str(arrow)
    if isinstance(dtype, pd.DatetimeTZDtype) or types.is_datetime64_dtype(dtype):
        return "time", str(arrow)
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_null(arrow):
        return "text", "string"
    raise _unsupported(name, f"the type {arrow}")


def _bounds(values: pd.Series[Any], kind: Kind) -> tuple[Value | None, Value | None]:
    known = values.dropna()
    if not len(known):
        return None, None
    least, greatest = known.min(), known.max()
    if kind == "time":
        return str(least.isoformat()), str(greatest.isoformat())
    cast: type[int] | type[float] = int if kind == "integer" else float
    bounds = cast(least), cast(greatest)
    return bounds if all(abs(one) < float("inf") for one in bounds) else (None, None)


def _unsupported(name: str, what: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the column {name!r:.80} has {what}, which no model takes: convert it to numbers, text,"
        " booleans or times, or leave it out of the model's features"
    )


def outputs_of(
    task: str, classes: Sequence[Value], answers: Mapping[str, Any]
) -> tuple[Output, ...]:
    """Return the columns that a model gives, from its answers.

    Args:
        task: ``classification`` or ``regression``.
        classes: The classes of a classification, in the order of the probabilities.
        answers: The arrays of answers by name.
    """
    import pyarrow as pa

    kind = str(pa.array(answers["prediction"][:1].tolist()).type)
    found = [Output("prediction", kind, tuple(classes))]
    if answers.get("probability") is not None:
        found.append(Output("probability", "list<double>", tuple(classes)))
    return tuple(found)
