"""Pack a value, and unpack it again."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np

from airflow_sfx.components.columns import nodes
from airflow_sfx.components.columns.prepare import Leaves, Packed, Task, prepare
from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.containers import parquet, small
from airflow_sfx.components.containers.parquet_source import Footer, ParquetSource, read_footer
from airflow_sfx.components.kinds import arrays, json_values, maps, parquet_tables, sparse, tables
from airflow_sfx.components.kinds.parts import Budget, Part, Stored
from airflow_sfx.components.precision import Approximate, Precision, approximate
from airflow_sfx.core.errors import SchemaMismatch

SMALL = 4096
"""From so many bytes on, a packed component is a Parquet file."""
LIMIT = 2 << 30
_PCO_GAIN = 0.85
_READABLE = {
    "bits": 1.0,
    "vector": 1.0,
    "matrix": 1.0,
    "sparse01": 1.25,
    "sparse": 1.25,
    "map": 1.25,
    "table": 1.35,
    "json": 1.0,
}
"""How much larger columns may be that other engines read than bytes that they do not."""
_OVERHEAD = 24
_KEY, _SUM = "sfx.component/1", "sfx.crc32"
_NO_SUM = "0" * 8
_SUM_AT = re.compile(rb"sfx\.crc32\x18\x08([0-9a-f]{8})")
_WHOLE = "packed"
_LARGE = 1 << 22

Spec: TypeAlias = (
    arrays.ArraySpec | sparse.SparseSpec | maps.MapSpec | json_values.JsonSpec | tables.TableSpec
)


class Header(msgspec.Struct, array_like=True, frozen=True):
    """What a packed component is.

    Args:
        spec: The kind, and what belongs to it.
        nodes: How each column is made.
        precision: The precision that was asked for; None if the value is exact.
        error: The greatest difference to the value that was packed.
    """

    spec: Spec
    nodes: list[nodes.Node]
    precision: str | None = None
    error: float | None = None

    def members(self) -> tuple[object, ...]:
        """Return what is stored."""
        whole = (self.spec, self.nodes, self.precision, self.error)
        return whole[:2] if self.precision is None else whole


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
    best = _best(found, layouts[0][0].kind)
    if pco:
        tried = [form for spec, parts in layouts for form in _of_spec(spec, parts, near, pco=True)]
        smallest = min(tried, key=lambda one: len(one.data))
        if len(smallest.data) <= _PCO_GAIN * len(best.data):
            best = smallest
        found += tried
    return [best, *sorted((one for one in found if one is not best), key=lambda one: len(one.data))]


def _best(found: Sequence[Form], kind: str) -> Form:
    """Return the smallest form; columns that other engines read may be a little larger."""
    ratio = _READABLE[kind]
    smallest = min(found, key=lambda one: len(one.data))
    if smallest.codec == "small":
        return smallest
    readable = [one for one in found if one.codec == "parquet"]
    best = min(readable, key=lambda one: len(one.data), default=smallest)
    return best if len(best.data) <= ratio * len(smallest.data) + _OVERHEAD else smallest


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
        msgspec.msgpack.encode(header.members()),
        b"".join(chunk for one in columns for chunk in one.chunks if isinstance(chunk, bytes)),
    )
    if len(packed) < SMALL:
        yield Form(f"small{suffix}", packed)
        return
    columnar = parquet.ParquetLeaves(hard=True)
    yield Form(f"parquet(packed){suffix}", _wrapped(packed))
    lengths = {len(part.values) for part in parts}
    readable = not (isinstance(spec, json_values.JsonSpec) and spec.packed)
    if len(lengths) == 1 and readable and not pco:
        columns = _prepared(parts, parquet.ParquetLeaves(hard=False), columnar, near.step)
        header = Header(spec, [one.node for one in columns], near.precision, near.error)
        if any(one.chunks for one in columns):
            yield Form("parquet", _file(columns, lengths.pop(), header))


def _of_table(value: object) -> list[Form]:
    """Return a table in the forms that apply, the one to be kept first."""
    table = tables.to_arrow(value)
    pandas = table is not value and not isinstance(value, type(table))
    header = Header(tables.TableSpec(table.num_rows, [], pandas), [])
    whole = parquet_tables.write_table(table, _metadata(header))
    form = Form("parquet", sealed(whole))
    found = [form]
    if (flat := tables.split_table(table, pandas=pandas)) is not None:
        found += _of_spec(*flat, approximate(value, "exact"))
    back = opened(form.data, max(LIMIT, 64 * table.nbytes)).table()
    if (name := parquet_tables.same_tables(table, back)) is not None:
        raise SchemaMismatch(
            f"the column {name!r} would not come back from Parquet as it is: cast it to a type that"
            " Parquet has"
        )
    best = _best(found, "table")
    return [best, *(one for one in found if one is not best)]


def _prepared(
    parts: Sequence[Part], quick: Leaves, hard: Leaves, step: float | None
) -> list[Packed]:
    """Return the columns in the ways that a quick trial found to be best."""
    found = []
    for part in parts:
        if isinstance(part.values, np.ndarray):
            tried = prepare(Task(part.values, part.name, quick, step=step))
            script = iter(tried.ways)
            found.append(prepare(Task(part.values, part.name, hard, step=step, script=script)))
        else:
            found.append(hard.texts(part.values, part.name))
    return found


def _wrapped(packed: bytes) -> bytes:
    """Return a small component that is not small as the one value of a Parquet file."""
    return parquet.write(_chunks([parquet.ParquetLeaves(hard=True).blob(packed, _WHOLE)]), 1, {})


def _file(columns: Sequence[Packed], rows: int, header: Header) -> bytes:
    """Return a Parquet file with its checksum in its footer."""
    return sealed(parquet.write(_chunks(columns), rows, _metadata(header)))


def _chunks(columns: Sequence[Packed]) -> list[parquet.Chunk]:
    return [chunk for one in columns for chunk in one.chunks if isinstance(chunk, parquet.Chunk)]


def _metadata(header: Header) -> dict[str, str]:
    """Return what a footer says about the file."""
    return {_KEY: msgspec.json.encode(header.members()).decode(), _SUM: _NO_SUM}


def sealed(data: bytes) -> bytes:
    """Return a Parquet file with the checksum of its other bytes in its footer."""
    place = _place_of_sum(data)
    return data[:place] + f"{zlib.crc32(data):08x}".encode() + data[place + len(_NO_SUM) :]


def _place_of_sum(data: bytes) -> int:
    found = list(_SUM_AT.finditer(data, max(0, len(data) - (1 << 20))))
    if not found:
        raise refused("is a Parquet file without a checksum")
    return found[-1].start(1)


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


def _check_sum(data: bytes) -> None:
    place = _place_of_sum(data)
    blank = data[:place] + _NO_SUM.encode() + data[place + len(_NO_SUM) :]
    if f"{zlib.crc32(blank):08x}".encode() != data[place : place + len(_NO_SUM)]:
        raise refused("has another checksum than its bytes")


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


@dataclass(frozen=True)
class Opened:
    """A packed component whose checksum is right.

    Args:
        header: What it is.
        codec: Its form, as in `Form`.
        stored: Its columns.
        footer: The footer, if it is a Parquet file.
        data: The bytes, if it is a Parquet file.
    """

    header: Header
    codec: str
    stored: Stored
    footer: Footer | None = None
    data: bytes = b""

    def table(self) -> Any:
        """Return the table of a Parquet file.

        Raises:
            ModelRefused: It is damaged, or does not have that many rows.
        """
        if self.footer is None:
            raise refused("is a table without its columns")
        found = parquet_tables.read_table(self.data, self.footer, self.stored.budget)
        spec = self.header.spec
        if isinstance(spec, tables.TableSpec) and found.num_rows != spec.rows:
            raise refused("has another number of rows than declared")
        return found

    def value(self) -> Any:
        """Return the value.

        Raises:
            ModelRefused: The columns do not fit what it is.
        """
        try:
            return self._join()
        except (ValueError, TypeError, OverflowError, IndexError) as error:
            raise refused(f"cannot be made again ({error})") from error

    def _join(self) -> Any:
        match self.header.spec:
            case arrays.ArraySpec() as spec:
                found = arrays.join_array(spec, self.stored)
            case sparse.SparseSpec() as spec:
                found = sparse.join_sparse(spec, self.stored)
            case maps.MapSpec() as spec:
                found = maps.join_map(spec, self.stored)
            case json_values.JsonSpec() as spec:
                found = json_values.join_json(spec, self.stored)
            case tables.TableSpec() as spec if self.header.nodes:
                found = tables.join_table(spec, self.stored)
            case tables.TableSpec() as spec:
                found = tables.finished(self.table(), pandas=spec.pandas)
        if isinstance(self.stored.source, small.SmallSource):
            self.stored.source.done()
        return found


def opened(data: bytes, limit: int = LIMIT) -> Opened:
    """Open a packed component: check its checksum, and read what it is.

    Raises:
        ModelRefused: It is damaged, or is not a packed component.
    """
    if data[:4] == small.MAGIC:
        return _open_small(data, limit, "")
    if data[:4] != parquet.MAGIC:
        raise refused("begins with neither SFXC nor PAR1")
    footer = read_footer(data)
    source = ParquetSource(data, footer)
    if not footer.metadata and _WHOLE in footer.columns:
        (inner,) = source.texts(nodes.Column(_WHOLE), 1, len(data))
        if _wrapped(inner) != data:
            raise refused("has other bytes around its value than were written")
        return _open_small(inner, limit, "parquet(packed)")
    _check_sum(data)
    text = footer.metadata.get(_KEY)
    if text is None:
        raise refused("is a Parquet file of another program, or of a later version")
    header = _header(text, msgspec.json.Decoder(Header))
    stored = Stored(header.nodes, source, Budget(limit))
    return Opened(header, "parquet", stored, footer, data)


def _open_small(data: bytes, limit: int, codec: str) -> Opened:
    head, columns = small.unframe(data)
    header = _header(head, msgspec.msgpack.Decoder(Header))
    codec = f"{codec or 'small'}{'+pco' if _has_pco(header) else ''}"
    return Opened(header, codec, Stored(header.nodes, small.SmallSource(columns), Budget(limit)))


def _header(
    data: bytes | memoryview,
    decoder: msgspec.json.Decoder[Header] | msgspec.msgpack.Decoder[Header],
) -> Header:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise refused(f"has a header that is not one ({error})") from error


def _has_pco(header: Header) -> bool:
    return '["x",' in msgspec.json.encode(header.nodes).decode()
