"""Valid column names: those that Hive, Spark and Parquet all distinguish."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from airflow_sfx.core.errors import InvalidName, SchemaMismatch

_NAMELESS_LEVEL = re.compile(r"__index_level_\d+__+")

_OPEN = "__sfx_open__"
_MAX_LISTED = 20


def check_names(names: Sequence[object]) -> None:
    """Reject invalid and ambiguous column names.

    Args:
        names: The frame's column names.

    Raises:
        InvalidName: A name is not text, is empty, has a character that Hive cannot store, or occurs
            twice.
        SchemaMismatch: There are no columns.

    Example:
        >>> check_names(["a", "A"])
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: the columns 'a' and 'A' have the same name in Hive, \
which ignores case: rename one, as in df.rename(columns={'A': 'A_2'})
    """
    if not names:
        raise SchemaMismatch("the frame has no columns: there is nothing to store")
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str):
            raise InvalidName(
                f"the column name {name!r} is {type(name).__name__}, not text: rename it, as in "
                "df.columns = df.columns.astype(str)"
            )
        problem = _name_problem(name)
        if problem:
            raise InvalidName(
                f"the column name {name!r} {problem}",
                remedy=f"rename it, as in df.rename(columns={{{name!r}: 'plain'}})",
                cli_remedy="choose another name",
            )
        other = seen.get(name.lower())
        if other == name:
            raise InvalidName(
                f"the frame has the column {name!r} more than once: rename or drop one of them"
            )
        if other is not None:
            raise InvalidName(
                f"the columns {other!r} and {name!r} have the same name in Hive, which ignores"
                " case",
                remedy=f"rename one, as in df.rename(columns={{{name!r}: '{name}_2'}})",
                cli_remedy="rename one",
            )
        seen[name.lower()] = name


def is_storable_name(name: object) -> bool:
    """Return whether a name is a valid column name.

    Args:
        name: The name.

    Returns:
        True if `check_names` accepts it on its own.

    Example:
        >>> is_storable_name("day"), is_storable_name("a,b"), is_storable_name(None)
        (True, False, False)
    """
    return isinstance(name, str) and not _name_problem(name)


def unnamed_level_name(number: int) -> str:
    """Return the name of the column of an unnamed level of a DataFrame's index.

    Args:
        number: The level, 0 for the outermost.

    Returns:
        The name, which pyarrow uses, too.

    Example:
        >>> unnamed_level_name(0)
        '__index_level_0__'
    """
    return f"__index_level_{number}__"


def is_unnamed_level_name(name: str) -> bool:
    """Return whether a column has the name of an unnamed index level.

    A frame has or lacks such a column depending on its rows.

    Args:
        name: The column's name, in any case.

    Returns:
        True for names that `unnamed_level_name` returns.

    Example:
        >>> is_unnamed_level_name("__index_level_0__"), is_unnamed_level_name("level_0")
        (True, False)
    """
    return _NAMELESS_LEVEL.fullmatch(name.lower()) is not None


def open_name(name: str) -> str:
    """Return the name in files of an open column or struct field.

    Engines read a column by its name in the table. Under this name they do not find it, and read
    null, whatever type the table's column gets later.

    Args:
        name: The name in the table.

    Returns:
        The name in files, in lower case.

    Example:
        >>> open_name("Price"), without_open_prefix("__sfx_open__price")
        ('__sfx_open__price', 'price')
    """
    return f"{_OPEN}{name.lower()}"


def without_open_prefix(name: str) -> str:
    """Return the name in the table for a name in files; see `open_name`."""
    return name.removeprefix(_OPEN)


def unknown_column(name: str, known: Iterable[str]) -> SchemaMismatch:
    """Create the error for an unknown column, with similar names.

    Args:
        name: The name that was passed.
        known: The existing names.

    Returns:
        The error to raise.

    Example:
        >>> str(unknown_column("pirce", ["price", "day"]))
        "there is no column 'pirce': did you mean 'price'?"
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=3) or [
        one for one in names if one.lower() == name.lower()
    ]
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    else:
        more = ", …" if len(names) > _MAX_LISTED else ""
        hint = f"the columns are {', '.join(map(repr, names[:_MAX_LISTED]))}{more}"
    return SchemaMismatch(f"there is no column {name!r}: {hint}")


def _name_problem(name: str) -> str:
    if not name.strip():
        return "is empty"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        return "has a control character or half a surrogate pair, which Hive cannot store"
    if "," in name or "`" in name:
        return "has a comma or a backtick, with which Hive separates and quotes names"
    return ""
