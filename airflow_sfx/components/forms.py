"""The forms that a packed value can have, of which the best is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from airflow_sfx.components.columns import codecs
from airflow_sfx.components.columns.prepare import Leaves, Packed, Task, prepare
from airflow_sfx.components.containers import parquet, small
from airflow_sfx.components.containers.parquet_source import read_footer
from airflow_sfx.components.header import Header, Spec, encode, metadata, sealed, wrapped
from airflow_sfx.components.kinds import arrays, json_values, maps, parquet_tables, sparse, tables
from airflow_sfx.components.kinds.parts import Budget, Part
from airflow_sfx.components.precision import Approximate, Precision, approximate
from airflow_sfx.core.errors import SchemaMismatch

SMALL = 4096
"""From so many bytes on, a packed component is a Parquet file."""
_PCO_GAIN = 0.85
_READABLE = {
    "bits": 1.05,
    "vector": 1.05,
    "matrix": 1.05,
    "sparse01": 1.25,
    "sparse": 1.25,
    "map": 1.25,
    "table": 1.15,
    "json": 1.0,
}
"""How much larger columns may be that other engines read than bytes that they do not."""
_OVERHEAD = 24
_HEADER = 64  # how much larger than compressed values columns of an array may be


@dataclass(frozen=True)
class Form:
    """A packed value.

    Args:
        codec: ``small``, ``parquet``, ``parquet(packed)``, or one of these with ``+pco``.
        data: The bytes.
    """

    codec: str
    data: bytes


def forms(value: object, precision: Precision = "exact", *, pco: bool = False) -> list[Form]:
    """Return a value in all forms that apply, the one to be kept first."""
    near = approximate(value, precision)
    if tables.is_table(value):
        return _of_table(value)
    value = near.value
    layouts = _split(value)
    found = [form for spec, parts in layouts for form in _of_spec(spec, parts, near)]
    best = _best(found, layouts[0])
    if pco:
        tried = [form for spec, parts in layouts for form in _of_spec(spec, parts, near, pco=True)]
        smallest = min(tried, key=lambda one: len(one.data))
        if len(smallest.data) <= _PCO_GAIN * len(best.data):
            best = smallest
        found += tried
    return [best, *sorted((one for one in found if one is not best), key=lambda one: len(one.data))]


def _best(found: Sequence[Form], layout: tuple[Spec, Sequence[Part]]) -> Form:
    """Return the smallest form; columns that other engines read may be a little larger."""
    spec, parts = layout
    smallest = min(found, key=lambda one: len(one.data))
    if smallest.codec == "small":
        return smallest
    most = _READABLE[spec.kind] * len(smallest.data) + _OVERHEAD
    if isinstance(spec, arrays.ArraySpec) and isinstance(parts[0].values, np.ndarray):
        values, width = parts[0].values, np.dtype(spec.dtype).itemsize
        plain = values.astype(f"i{width}") if values.dtype.kind == "i" else values
        most = min(most, len(codecs.zstd(plain.tobytes(), hard=False)) + _HEADER)
    readable = [one for one in found if one.codec == "parquet" and len(one.data) <= most]
    return min(readable, key=lambda one: len(one.data), default=smallest)


def _split(value: object) -> list[tuple[Spec, list[Part]]]:
    """Return what a value is, and its columns, in each layout that it can have."""
    found: Any
    if isinstance(value, np.ndarray):
        return [arrays.split_array(value)]
    if isinstance(value, np.generic):
        return [arrays.split_scalar(value)]
    if sparse.is_sparse(value):
        return list(sparse.split_sparse(value))
    if type(value) is dict and (found := maps.split_map(value)) is not None:
        return [found]
    if type(value) is list and (found := arrays.split_list(value)) is not None:
        return [found]
    return list(json_values.split_json(value))


def _of_spec(
    spec: Spec, parts: Sequence[Part], near: Approximate, *, pco: bool = False
) -> Iterator[Form]:
    """Yield the forms of a value in one layout."""
    suffix = "+pco" if pco else ""
    quick, hard = (small.SmallLeaves(pcodec=pco, hard=hard) for hard in (False, True))
    columns = _prepared(parts, quick, hard, near.step)
    header = Header(spec, [one.node for one in columns], near.precision, near.error)
    packed = small.frame(
        encode(header),
        b"".join(chunk for one in columns for chunk in one.chunks if isinstance(chunk, bytes)),
    )
    if len(packed) < SMALL:
        yield Form(f"small{suffix}", packed)
        return
    yield Form(f"parquet(packed){suffix}", wrapped(packed))
    if not pco and _is_columnar(spec, parts):
        trial, kept = (parquet.ParquetLeaves(hard=hard) for hard in (False, True))
        columns = _prepared(parts, trial, kept, near.step)
        header = Header(spec, [one.node for one in columns], near.precision, near.error)
        if any(one.chunks for one in columns):
            yield Form("parquet", _file(columns, len(parts[0].values), header))


def _is_columnar(spec: Spec, parts: Sequence[Part]) -> bool:
    """Return whether the columns of a value can be those of a Parquet file, by their own names."""
    if isinstance(spec, tables.TableSpec):
        return False
    if isinstance(spec, json_values.JsonSpec) and spec.packed:
        return False
    return len({len(part.values) for part in parts}) == 1


def _of_table(value: object) -> list[Form]:
    """Return a table in the forms that apply, the one to be kept first."""
    table = tables.to_arrow(value)
    pandas = table is not value and not isinstance(value, type(table))
    header = Header(tables.TableSpec(table.num_rows, [], pandas), [])
    whole = parquet_tables.write_table(table, metadata(header))
    form = Form("parquet", sealed(whole))
    found = [form]
    if (flat := tables.split_table(table, pandas=pandas)) is not None:
        found += _of_spec(*flat, approximate(value, "exact"))
    budget = Budget(1 << 62)
    back = parquet_tables.read_table(form.data, read_footer(form.data), budget)
    if (name := parquet_tables.same_tables(table, back)) is not None:
        raise SchemaMismatch(
            f"the column {name!r} would not come back from Parquet as it is: cast it to a type that"
            " Parquet has"
        )
    best = _best(found, (header.spec, []))
    return [best, *(one for one in found if one is not best)]


def _prepared(
    parts: Sequence[Part], quick: Leaves, hard: Leaves, step: float | None
) -> list[Packed]:
    """Return the columns in the ways that a quick trial found to be best."""
    found = []
    for part in parts:
        if isinstance(part.values, np.ndarray):
            tried = prepare(Task(part.values, part.name, quick, step=step))
            if tried.size <= codecs.LARGE:  # more is not compressed harder
                task = Task(part.values, part.name, hard, step=step, script=iter(tried.ways))
                tried = prepare(task)
            found.append(tried)
        else:
            found.append(hard.texts(part.values, part.name))
    return found


def _file(columns: Sequence[Packed], rows: int, header: Header) -> bytes:
    """Return a Parquet file with its checksum in its footer."""
    return sealed(parquet.write(_chunks(columns), rows, metadata(header)))


def _chunks(columns: Sequence[Packed]) -> list[parquet.Chunk]:
    return [chunk for one in columns for chunk in one.chunks if isinstance(chunk, parquet.Chunk)]
