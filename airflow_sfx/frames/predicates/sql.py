"""SQL conditions, such as ``id = 4 AND country = 'DE'``, as pyarrow expressions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.predicates.comparison import (
    COMPARE,
    comparison,
    membership,
    null_expression,
)
from airflow_sfx.frames.types.open_types import only_nulls

if TYPE_CHECKING:
    from sqlglot import expressions as sql

_PARTS = frozenset({"this", "expression", "expressions", "low", "high", "quoted", "is_string"})
_SIGNS = {"eq": "==", "neq": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def columns_of(text: str) -> list[str]:
    """Return the columns that a condition names, in lower case, each once.

    Args:
        text: The condition.

    Returns:
        The names, in the order of the text.

    Raises:
        SchemaMismatch: The text is not a valid condition.

    Example:
        >>> columns_of("Client_ID = 42 OR client_id IS NULL")
        ['client_id']
    """
    parsed = _parsed(text)
    from sqlglot import expressions as sql

    return list(
        dict.fromkeys(column.name.lower() for column in parsed.find_all(sql.Column, bfs=False))
    )


def condition_of(text: str, schema: pa.Schema) -> pc.Expression:
    """Convert an SQL condition to a pyarrow expression.

    It supports comparisons, IN, BETWEEN and IS NULL of columns and literals, with AND, OR and NOT.

    Args:
        text: The condition, without WHERE.
        schema: The columns. Literals are cast to the type of the column that they are compared
            with. Names are case-insensitive. A column that is absent is null in every row.

    Returns:
        The expression. As in SQL, a comparison with null and IN for null are null.

    Raises:
        SchemaMismatch: The text is not a supported condition, or does not fit the columns.

    Example:
        >>> schema = pa.schema([("n", pa.int64()), ("day", pa.date32())])
        >>> condition_of("n > 3 AND day = '2016-10-31'", schema)
        <pyarrow.compute.Expression ((n > 3) and (day == 2016-10-31))>
    """
    try:
        return _Converter(text, schema).expression(_parsed(text))
    except RecursionError as error:
        raise _invalid_condition(text, "it is nested too deeply") from error


class _Converter:
    """Converts the nodes of a parsed condition to expressions."""

    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._text = text
        self._schema = schema
        self._names = {
            column.name.lower(): column.name for column in schema if not only_nulls(column.type)
        }

    def expression(self, node: sql.Expr) -> pc.Expression:
        from sqlglot import expressions as sql

        self._check_parts(node)
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

    def _check_parts(self, node: sql.Expr) -> None:
        """Reject unsupported parts of a node, such as SYMMETRIC, instead of ignoring them."""
        more = [name for name, part in node.args.items() if part and name not in _PARTS]
        if more:
            raise _invalid_condition(
                self._text, f"the {more[0]} of {node.sql()!r} is not supported"
            )

    def _of_column(self, node: Any) -> Any:
        from sqlglot import expressions as sql

        sign = _SIGNS.get(node.key)
        is_list = isinstance(node, sql.In) and node.expressions
        null = isinstance(node, sql.Is) and isinstance(node.expression, sql.Null)
        if not (sign or is_list or null or isinstance(node, sql.Between)):
            raise _invalid_condition(self._text, f"{node.sql()!r} is not supported")
        name = self._column(node.this)
        if name is None:
            return pc.scalar(True) if null else null_expression()
        column: Any = pc.field(name)
        if sign:
            return self._compared(name, sign, node.expression)
        if is_list:  # Arrow's own result for null is false
            values = [self._literal(one, name) for one in node.expressions]
            return pc.if_else(
                column.is_null(), null_expression(), membership(self._schema.field(name), values)
            )
        if null:
            return column.is_null()
        return self._compared(name, ">=", node.args["low"]) & self._compared(
            name, "<=", node.args["high"]
        )

    def _column(self, node: Any) -> str | None:
        """Return the schema's spelling of a column, or None if it is absent."""
        from sqlglot import expressions as sql

        if not isinstance(node, sql.Column):
            raise _invalid_condition(
                self._text, f"{node.sql()!r} is where a column's name is expected"
            )
        self._check_parts(node)
        return self._names.get(node.name.lower())

    def _compared(self, name: str, sign: str, node: Any) -> Any:
        value = self._literal(node, name)
        if isinstance(value, Decimal):
            return comparison(self._schema.field(name), sign, value)
        return COMPARE[sign](pc.field(name), value)

    def _literal(self, node: Any, name: str) -> pa.Scalar[Any] | Decimal:
        """Return a literal as a value of the column's type, or as a number."""
        from sqlglot import expressions as sql

        kind: Any = self._schema.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        plain = node.this if isinstance(node, sql.Neg) else node
        if isinstance(plain, sql.Boolean) and plain is node and types.is_boolean(kind):
            return pa.scalar(bool(plain.this))
        if not isinstance(plain, sql.Literal):
            raise _invalid_condition(self._text, f"{node.sql()!r} is where a literal is expected")
        text = str(plain.this) if plain is node else f"-{plain.this}"
        try:
            made: pa.Scalar[Any] = pa.scalar(text).cast(kind)
            return made
        except (pa.ArrowException, ValueError) as error:
            if not plain.is_string and (types.is_integer(kind) or types.is_decimal(kind)):
                return Decimal(text)
            raise SchemaMismatch(
                f"{node.sql()} in the condition is not {kind}, the type of the column {name!r}: use"
                " a literal of that type"
            ) from error


def _parsed(text: str) -> sql.Expr:
    import sqlglot

    if not isinstance(text, str):
        raise _invalid_condition(text, f"it is a {type(text).__name__}")
    try:
        tokens = sqlglot.tokenize(text)
        _reject_ignored_text(
            text, [(token.start, token.end + 1) for token in tokens if token.text != ";"]
        )
        return sqlglot.parse_one(text)
    except sqlglot.errors.SqlglotError as error:
        raise _invalid_condition(text, str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise _invalid_condition(text, "it is nested too deeply") from error


def _reject_ignored_text(text: str, read: Sequence[tuple[int, int]]) -> None:
    """Reject comments and further statements, which the parser would ignore."""
    position = 0
    for start, end in [*read, (len(text), len(text))]:
        left_out = text[position:start]
        if left_out.strip():
            at = position + len(left_out) - len(left_out.lstrip())
            raise _invalid_condition(
                text,
                f"{text[at : at + 20]!r} at character {at + 1} is a comment or ends the condition",
            )
        position = end


def _invalid_condition(text: object, why: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the condition {text!r:.300} is not understood ({why}): use comparisons, IN, BETWEEN or IS"
        " NULL of columns and literals, with AND, OR and NOT"
    )
