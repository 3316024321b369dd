"""How large a component is, beside JSON with zlib."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from airflow_sfx.components.forms import forms
from airflow_sfx.components.kinds import sparse, tables
from airflow_sfx.components.opening import LIMIT, Opened, opened
from airflow_sfx.components.precision import Precision

_MOST_CELLS = 20_000_000


@dataclass(frozen=True)
class Sizes:
    """The size of a component.

    Args:
        kind: ``bits``, ``vector``, ``matrix``, ``sparse01``, ``sparse``, ``map``, ``table`` or
            ``json``.
        codec: The form that is kept: ``small``, ``parquet``, or ``parquet(packed)``, a Parquet file
            of one value; with ``+pco`` if pcodec is used.
        bytes: The bytes of that form.
        ratio: The bytes of JSON with zlib, over those.
        candidates: The bytes of each form that was tried.
        precision: ``exact``, ``float32``, or ``abs`` and the bound of each float.
        error: The greatest difference to the value that was packed.

    Example:
        >>> found = sizes({"late": 0.25, "on time": 0.75})
        >>> found.kind, found.precision, found.candidates["small"] == found.bytes
        ('map', 'exact', True)
    """

    kind: str
    codec: str
    bytes: int
    ratio: float
    candidates: Mapping[str, int]
    precision: str = "exact"
    error: float = 0.0


def sizes(value: object, precision: Precision = "exact") -> Sizes:
    """Return how large a value is when it is packed, in each form.

    Args:
        value: What `pack` takes.
        precision: As for `pack`.

    Returns:
        The kind, the form that `pack` chooses, its bytes, and how many times smaller that is than
        JSON with zlib. Forms with pcodec are among the candidates if it is installed.

    Raises:
        SchemaMismatch: As for `pack`.
        InvalidName: As for `pack`.

    Example:
        >>> import numpy as np
        >>> found = sizes(np.arange(1000) % 2 == 0)
        >>> found.kind, found.codec, found.ratio > 1
        ('bits', 'small', True)
    """
    kept, *others = forms(value, precision)
    candidates: dict[str, int] = {}
    for form in (kept, *others, *_pco_forms(value, precision)):
        candidates[form.codec] = min(len(form.data), candidates.get(form.codec, len(form.data)))
    whole = opened(kept.data, LIMIT)
    return _sizes(whole, value, len(kept.data), candidates)


def describe(data: bytes, *, limit: int = LIMIT) -> Sizes:
    """Return what a packed component is, and how large.

    Args:
        data: What `pack` returned.
        limit: As for `unpack`.

    Returns:
        As for `sizes`, without other forms.

    Raises:
        ModelRefused: As for `unpack`.

    Example:
        >>> from airflow_sfx.components import pack
        >>> describe(pack({1: 0.5})).kind
        'map'
    """
    whole = opened(bytes(data), limit)
    return _sizes(whole, whole.value(), len(data), {whole.codec: len(data)})


def _sizes(whole: Opened, value: object, size: int, candidates: Mapping[str, int]) -> Sizes:
    ratio = round(len(zlib_json(value)) / size, 2)
    header = whole.header
    precision = "exact" if header.precision is None else header.precision
    return Sizes(
        header.spec.kind, whole.codec, size, ratio, candidates, precision, header.error or 0.0
    )


def _pco_forms(value: object, precision: Precision) -> list[Any]:
    try:
        import pcodec  # noqa: F401
    except ImportError:
        return []
    return [form for form in forms(value, precision, pco=True) if form.codec.endswith("+pco")]


def zlib_json(value: object) -> bytes:
    """Return a value as JSON with zlib, to compare with.

    A sparse matrix is a list of rows; one of more than 20 million cells is a list of its entries.
    """
    return zlib.compress(json.dumps(_plain(value)).encode("utf-8", "surrogatepass"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain_array(value)
    if isinstance(value, np.generic):
        return _plain_array(np.asarray(value))
    if sparse.is_sparse(value):
        return _plain_sparse(value)
    if tables.is_table(value):
        columns = value.to_pydict() if hasattr(value, "to_pydict") else value.to_dict("list")
        return {str(name): [_one(one) for one in column] for name, column in columns.items()}
    if type(value) is dict:
        return {str(key): _plain(one) for key, one in value.items()}
    return value


def _plain_array(value: Any) -> Any:
    if value.dtype.kind in "mM":
        return value.view("i8").tolist()
    if value.dtype.kind == "c":
        return [[one.real, one.imag] for one in value.ravel().tolist()]
    return value.tolist()


def _plain_sparse(value: Any) -> Any:
    matrix = sparse.entries_of(value)
    if matrix.shape[0] * matrix.shape[1] > _MOST_CELLS:
        return [matrix.rows.tolist(), matrix.columns.tolist(), _plain_array(matrix.values)]
    values = matrix.values
    if np.array_equal(values, np.rint(values.real)):
        values = values.astype("i8")
    dense = np.zeros(matrix.shape, dtype=values.dtype)
    dense[matrix.rows, matrix.columns] = values
    return _plain_array(dense)


def _one(value: Any) -> Any:
    return value if isinstance(value, int | float | str | type(None)) else str(value)
