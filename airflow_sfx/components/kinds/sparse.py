"""Sparse matrices: where their entries are, and what they are."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.kinds.parts import (
    Part,
    Stored,
    checked_type,
    from_primitive,
    to_primitive,
    type_of,
)
from airflow_sfx.core.errors import SchemaMismatch

_MOST_CELLS = 1 << 62
_DIMENSIONS = 2
Length = Annotated[int, msgspec.Meta(ge=0, le=_MOST_CELLS)]
Format = Literal["csr", "csc", "coo"]


@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A sparse matrix where scipy is not installed.

    Its entries are sorted by row, or by column if the format is ``csc``.

    Args:
        shape: The numbers of rows and columns.
        rows: The row of each entry.
        columns: The column of each entry.
        values: The value of each entry.
        format: The format of scipy's matrix that it was: ``csr``, ``csc`` or ``coo``.
        array: Whether it was one of scipy's sparse arrays, not a matrix.

    Example:
        >>> one = SparseMatrix((2, 3), np.array([1]), np.array([2]), np.array([0.5]))
        >>> one.toarray().tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.5]]
    """

    shape: tuple[int, int]
    rows: Array
    columns: Array
    values: Array
    format: Format = "csr"
    array: bool = True

    def toarray(self) -> Array:
        """Return the matrix as a dense array."""
        found = np.zeros(self.shape, dtype=self.values.dtype)
        found[self.rows, self.columns] = self.values
        return found


class SparseSpec(msgspec.Struct, tag="s", array_like=True, frozen=True):
    """What a sparse matrix is.

    Args:
        shape: The numbers of rows and columns.
        count: The number of entries.
        dtype: The type of the entries.
        format: scipy's format: ``csr``, ``csc`` or ``coo``.
        array: Whether it is one of scipy's sparse arrays, not a matrix.
        flat: Whether positions count the cells of the whole matrix; else each entry has the number
            of its row (``csc``: column), and its place in it.
        ones: Whether all entries are one.
    """

    shape: tuple[Length, Length]
    count: Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]
    dtype: str
    format: Format
    array: bool
    flat: bool
    ones: bool

    @property
    def kind(self) -> Literal["sparse01", "sparse"]:
        """The kind of component."""
        return "sparse01" if self.ones else "sparse"


def is_sparse(value: object) -> bool:
    """Return whether a value is a sparse matrix, without importing scipy."""
    if isinstance(value, SparseMatrix):
        return True
    scipy = sys.modules.get("scipy.sparse")
    return scipy is not None and bool(scipy.issparse(value))


def split_sparse(value: Any) -> list[tuple[SparseSpec, list[Part]]]:
    """Return what a sparse matrix is, and its columns, in two layouts.

    Raises:
        SchemaMismatch: It is not of two dimensions, or its values cannot be packed.
    """
    matrix = entries_of(value)
    dtype = checked_type(matrix.values.dtype, "a sparse matrix")
    height, width = map(int, matrix.shape)
    if height * width > _MOST_CELLS:
        raise SchemaMismatch(
            f"a sparse matrix of {height} × {width} has more than 2**62 cells: pass its rows,"
            " columns and values as vectors"
        )
    by_column = matrix.format == "csc"
    major, minor = (matrix.columns, matrix.rows) if by_column else (matrix.rows, matrix.columns)
    positions = major.astype("<i8") * (height if by_column else width) + minor.astype("<i8")
    order = np.argsort(positions, kind="stable")
    positions = positions[order]
    if len(positions) and not np.all(np.diff(positions) > 0):
        raise SchemaMismatch("a sparse matrix has a cell twice: call its sum_duplicates() before")
    values = matrix.values[order]
    ones = bool(np.array_equal(values, np.ones(len(values), dtype=values.dtype)))
    rest = [] if ones else [Part("value", to_primitive(values))]
    found = []
    for flat in (True, False):
        spec = SparseSpec(
            (height, width), len(positions), dtype, matrix.format, matrix.array, flat, ones
        )
        if flat:
            where = [Part("position", positions)]
        else:
            names = ("column", "row") if by_column else ("row", "column")
            where = [
                Part(name, some[order].astype("<i8"))
                for name, some in zip(names, (major, minor), strict=True)
            ]
        found.append((spec, where + rest))
    return found


def entries_of(value: Any) -> SparseMatrix:
    """Return the entries of a sparse matrix: duplicates added up, explicit zeros kept.

    Raises:
        SchemaMismatch: It is not of two dimensions.
    """
    if isinstance(value, SparseMatrix):
        return value
    from scipy import sparse

    if value.ndim != _DIMENSIONS:
        raise SchemaMismatch(
            f"a sparse array has {value.ndim} dimensions, and a component has two: reshape it"
        )
    kept: Format = value.format if value.format in ("csr", "csc", "coo") else "csr"
    compressed = value.tocsc() if kept == "csc" else value.tocsr()
    if not compressed.has_canonical_format:
        compressed = compressed.copy()
        compressed.sum_duplicates()
    entries = compressed.tocoo()
    return SparseMatrix(
        value.shape, entries.row, entries.col, entries.data, kept, isinstance(value, sparse.sparray)
    )


def join_sparse(spec: SparseSpec, stored: Stored) -> Any:
    """Return the matrix again: scipy's where that is installed, else a `SparseMatrix`.

    Raises:
        ModelRefused: The columns are not those of a sparse matrix, or larger than the limit.
    """
    height, width = spec.shape
    by_column = spec.format == "csc"
    length, across = (width, height) if by_column else (height, width)
    if height * width > _MOST_CELLS:
        raise refused(f"has {height} × {width} cells")
    dtype = type_of(spec.dtype)
    stored.budget.take(spec.count * (16 + dtype.itemsize) + 8 * length)
    if spec.flat:
        positions = stored.column(0, spec.count)
        major, minor = np.divmod(positions, across) if across else (positions, positions)
    else:
        major, minor = stored.column(0, spec.count), stored.column(1, spec.count)
        positions = major * across + minor
    _check(major, length)
    _check(minor, across)
    if not np.all(np.diff(positions) > 0):
        raise refused("has entries of a sparse matrix that are not in order")
    if spec.ones:
        values = np.ones(spec.count, dtype=dtype)
    else:
        values = from_primitive(stored, 1 if spec.flat else 2, spec.count, dtype)
    rows, columns = (minor, major) if by_column else (major, minor)
    found = SparseMatrix((height, width), rows, columns, values, spec.format, spec.array)
    return found if importlib.util.find_spec("scipy") is None else to_scipy(found)


def _check(index: Array, length: int) -> None:
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < length:
        raise refused("has entries outside of its sparse matrix")


def to_scipy(entries: SparseMatrix) -> Any:
    """Return a matrix of scipy, with indices of 32 bits where those suffice."""
    from scipy import sparse

    small = max(*entries.shape, len(entries.values)) < 1 << 31
    kind = "<i4" if small else "<i8"
    suffix = "array" if entries.array else "matrix"
    if entries.format == "coo":
        where = (entries.rows.astype(kind), entries.columns.astype(kind))
        return getattr(sparse, f"coo_{suffix}")((entries.values, where), shape=entries.shape)
    major, minor = entries.rows, entries.columns
    if entries.format == "csc":
        major, minor = minor, major
    length = entries.shape[1] if entries.format == "csc" else entries.shape[0]
    starts = np.zeros(length + 1, dtype=kind)
    np.cumsum(np.bincount(major, minlength=length), out=starts[1:])
    found = getattr(sparse, f"{entries.format}_{suffix}")(
        (entries.values, minor.astype(kind), starts), shape=entries.shape
    )
    found.has_canonical_format = True
    return found
