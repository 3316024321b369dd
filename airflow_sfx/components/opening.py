"""Open a packed component: check it, and make its value again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_sfx.components.columns import nodes
from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.containers import parquet, small
from airflow_sfx.components.containers.parquet_source import Footer, ParquetSource, read_footer
from airflow_sfx.components.header import WHOLE, Header, check_sum, decode, of_metadata, wrapped
from airflow_sfx.components.kinds import arrays, json_values, maps, parquet_tables, sparse, tables
from airflow_sfx.components.kinds.parts import Budget, Stored

LIMIT = 2 << 30
"""The most bytes of memory that a value may take, unless another limit is passed."""


@dataclass(frozen=True)
class Opened:
    """A packed component whose checksum is right.

    Args:
        header: What it is.
        codec: Its form, as in `sizes`.
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
        return _open_small(data, limit, "small")
    if data[:4] != parquet.MAGIC:
        raise refused("begins with neither SFXC nor PAR1")
    footer = read_footer(data)
    source = ParquetSource(data, footer)
    if not footer.metadata and WHOLE in footer.columns:
        (inner,) = source.texts(nodes.Column(WHOLE), 1, len(data))
        if wrapped(inner) != data:
            raise refused("has other bytes around its value than were written")
        return _open_small(inner, limit, "parquet(packed)")
    check_sum(data)
    header = of_metadata(footer.metadata)
    stored = Stored(header.nodes, source, Budget(limit))
    return Opened(header, "parquet", stored, footer, data)


def _open_small(data: bytes, limit: int, codec: str) -> Opened:
    head, columns = small.unframe(data)
    header = decode(head)
    suffix = "+pco" if any(map(_uses_pco, header.nodes)) else ""
    stored = Stored(header.nodes, small.SmallSource(columns), Budget(limit))
    return Opened(header, f"{codec}{suffix}", stored)


def _uses_pco(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Pco) or any(map(_uses_pco, nodes.within(node)))
