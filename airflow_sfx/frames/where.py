"""A condition as people write it, ``client_id = 42 AND country IN ('DE', 'AT')``, as an expression on columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch

if TYPE_CHECKING:
    from sqlglot import expressions as sql

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda column, value: column == value,
    "neq": lambda column, value: column != value,
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}

_UNKNOWN: Any = pc.scalar(pa.scalar(None, pa.bool_()))  # type: ignore[arg-type]  # the stubs know plain values only


def columns_of(text: str) -> list[str]:
    """The columns that a condition names, in lower case, each once.

    Args:
        text: The condition.

    Returns:
        The names, in the order of the text.

    Raises:
        SchemaMismatch: The text is no condition.

    Example:
        >>> columns_of("Client_ID = 42 OR client_id IS NULL")
        ['client_id']
    """
    parsed = _parsed(text)
    from sqlglot import expressions as sql

    return list(dict.fromkeys(column.name.lower() for column in parsed.find_all(sql.Column, bfs=False)))


def condition_of(text: str, schema: pa.Schema) -> pc.Expression:
    """Read a condition of SQL: comparisons, IN, BETWEEN and IS NULL of columns and literals, with AND, OR and NOT.

    Args:
        text: The condition, without WHERE.
        schema: The columns; literals are taken as values of the column that they are compared with. Names are compared
            without regard to case. A column that is not among them is null in every row.

    Returns:
        The expression. As in SQL a comparison with null is neither true nor false but null, and so is IN.

    Raises:
        SchemaMismatch: The text is no condition, says more than that, or does not fit the columns.

    Example:
        >>> condition_of("n > 3 AND day = '2016-10-31'", pa.schema([("n", pa.int64()), ("day", pa.date32())]))
        <pyarrow.compute.Expression ((n > 3) and (day == 2016-10-31))>
    """
    return _Reader(text, schema).expression(_parsed(text))


class _Reader:
    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._text = text
        self._schema = schema
        self._names = {column.name.lower(): column.name for column in schema if not types.is_null(column.type)}

    def expression(self, node: sql.Expr) -> pc.Expression:
        from sqlglot import expressions as sql

        made: Any
        if isinstance(node, sql.Paren):
            made = self.expression(node.this)
        elif isinstance(node, sql.And):
            made = self.expression(node.this) & self.expression(node.expression)
        elif isinstance(node, sql.Or):
            made = self.expression(node.this) | self.expression(node.expression)
        elif isinstance(node, sql.Not):
            made = ~self.expression(node.this)
        else:
            made = self._of_column(node)
        found: pc.Expression = made
        return found

    def _of_column(self, node: Any) -> Any:
        from sqlglot import expressions as sql

        compare = _COMPARE.get(node.key)
        several = isinstance(node, sql.In) and node.expressions
        null = isinstance(node, sql.Is) and isinstance(node.expression, sql.Null)
        if not (compare or several or null or isinstance(node, sql.Between)):
            raise _refused(self._text, f"{node.sql()!r} is none of these")
        name = self._column(node.this)
        if name is None:
            return pc.scalar(True) if null else _UNKNOWN
        column: Any = pc.field(name)
        if compare:
            return compare(column, self._literal(node.expression, name))
        if several:
            values = [self._literal(one, name) for one in node.expressions]
            among = column.isin(pa.array([one.as_py() for one in values], values[0].type))
            return pc.if_else(column.is_null(), _UNKNOWN, among)  # Arrow's own is false for null
        if null:
            return column.is_null()
        low, high = (self._literal(node.args[end], name) for end in ("low", "high"))
        return (column >= low) & (column <= high)

    def _column(self, node: Any) -> str | None:
        """The column's own name; None if there is no such column."""
        from sqlglot import expressions as sql

        if not isinstance(node, sql.Column) or node.table:
            raise _refused(self._text, f"{node.sql()!r} stands where a column's name is expected")
        return self._names.get(node.name.lower())

    def _literal(self, node: Any, name: str) -> Any:
        from sqlglot import expressions as sql

        kind: Any = self._schema.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        negative = isinstance(node, sql.Neg)
        node = node.this if negative else node
        if isinstance(node, sql.Boolean):
            value: Any = pa.scalar(bool(node.this))
        elif isinstance(node, sql.Literal):
            value = pa.scalar(f"-{node.this}" if negative else str(node.this))
        else:
            raise _refused(self._text, f"{node.sql()!r} stands where a literal is expected")
        try:
            return value.cast(kind)
        except (pa.ArrowException, ValueError) as error:
            raise SchemaMismatch(f"{node.sql()} in the condition is no {kind}, as the column {name!r} is") from error


def _parsed(text: str) -> sql.Expr:
    import sqlglot

    try:
        return sqlglot.parse_one(text)
    except sqlglot.errors.SqlglotError as error:
        raise _refused(text, str(error).splitlines()[0]) from error


def _refused(text: str, why: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the condition {text!r} is not understood ({why}): write comparisons, IN, BETWEEN or IS NULL of columns and "
        "literals, with AND, OR and NOT"
    )
