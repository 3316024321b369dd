"""Pack a value, and unpack it again."""

from __future__ import annotations

from typing import Any

from airflow_sfx.components.forms import forms
from airflow_sfx.components.opening import LIMIT, opened
from airflow_sfx.components.precision import Precision


def pack(value: object, precision: Precision = "exact", *, pco: bool = False) -> bytes:
    """Pack a component of a model small; by default it is unpacked as it was, to the bit.

    Args:
        value: An array or scalar of NumPy (bits, vector, matrix), a sparse matrix of scipy or a
            `SparseMatrix`, a dict from integers or texts to numbers (a map), a table of pyarrow or
            data frame of pandas, or a JSON value of lists, dicts, texts and numbers. A map comes
            back sorted by key, a sparse matrix with its entries sorted and duplicates added up.
        precision: ``exact``; ``float32``, for floats as those of 4 bytes hold them; or
            ``{"abs": 1e-4}``, for floats that differ by at most so much. Integers, texts, tables
            and objects of JSON stay exact, and so do NaN and infinities. The type stays, too.
        pco: Whether to use pcodec where it saves 15 % or more. To unpack the result, the extra
            ``pco`` must be installed, and other engines cannot read it.

    Returns:
        The packed component: from 4,096 bytes on a Parquet file. The same value has the same
        bytes.

    Raises:
        SchemaMismatch: The value is none of these, or cannot be kept exactly.
        InvalidName: The precision is none of these.

    Example:
        >>> import numpy as np
        >>> weights = np.array([0.25, -1.5, 0.0])
        >>> unpack(pack(weights)).tolist()
        [0.25, -1.5, 0.0]
    """
    return forms(value, precision, pco=pco)[0].data


def unpack(data: bytes, *, limit: int = LIMIT) -> Any:
    """Return the value of a packed component.

    No code of the component is run, and nothing is written.

    Args:
        data: What `pack` returned.
        limit: The most bytes of memory that the value may take, about.

    Returns:
        The value, as it was packed. A sparse matrix is scipy's if that is installed, else a
        `SparseMatrix`.

    Raises:
        ModelRefused: The bytes are damaged, were not made by `pack`, would take more than the
            limit, or need the extra ``pco``.

    Example:
        >>> unpack(pack({"late": 0.25, "on time": 0.75}))
        {'late': 0.25, 'on time': 0.75}
    """
    return opened(bytes(data), limit).value()
