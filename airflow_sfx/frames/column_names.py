"""Which column names a frame may have: those that Hive, Spark and a Parquet file can all keep apart."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from airflow_sfx.core.errors import InvalidName, SchemaMismatch

_NAMELESS_LEVEL = re.compile(r"__index_level_\d+__+")

_OPEN = "__sfx_open__"


def check_names(names: Sequence[object]) -> None:
    """Refuse column names that would be lost or confused.

    Args:
        names: The frame's column names.

    Raises:
        InvalidName: A name is not text, is empty, has a character that Hive cannot keep, or comes
            twice.
        SchemaMismatch: There are no columns.

    Example:
        >>> check_names(["a,b"])
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: the column name 'a,b' has a comma or a backtick, with which Hive \
separates and quotes names: rename it, as in df.rename(columns={'a,b': 'plain'})
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
        flaw = _flaw(name)
        if flaw:
            raise InvalidName(
                f"the column name {name!r} {flaw}: rename it, as in df.rename(columns={{{name!r}:"
                " 'plain'})"
            )
        other = seen.get(name.lower())
        if other == name:
            raise InvalidName(
                f"the frame has the column {name!r} more than once: rename or drop one of them"
            )
        if other is not None:
            raise InvalidName(
                f"the columns {other!r} and {name!r} have one name for Hive, which ignores case:"
                f" rename one, as in df.rename(columns={{{name!r}: '{name}_2'}})"
            )
        seen[name.lower()] = name


def is_storable_name(name: object) -> bool:
    """Whether a name can be a column's.

    Args:
        name: The name.

    Returns:
        True if `check_names` would take it alone.

    Example:
        >>> is_storable_name("day"), is_storable_name("a,b"), is_storable_name(None)
        (True, False, False)
    """
    return isinstance(name, str) and not _flaw(name)


def unnamed_level_name(number: int) -> str:
    """The name of the column that holds a level of a DataFrame's index which has no name for one.

    Args:
        number: The level, 0 for the outermost.

    Returns:
        The name, as pyarrow has it, too.

    Example:
        >>> unnamed_level_name(0)
        '__index_level_0__'
    """
    return f"__index_level_{number}__"


def is_unnamed_level_name(name: str) -> bool:
    """Whether a column has such a name, which nobody gave it: pandas makes and leaves out such columns by itself.

    Args:
        name: The column's name, in any case.

    Returns:
        True for what `unnamed_level_name` gives.

    Example:
        >>> is_unnamed_level_name("__index_level_0__"), is_unnamed_level_name("level_0")
        (True, False)
    """
    return _NAMELESS_LEVEL.fullmatch(name.lower()) is not None


def open_name(name: str) -> str:
    """What files call a column or a struct's field that has had no value yet.

    Engines read a column by its name in the table. Under this one they do not find it, and read
    null, whatever type the table's column gets later.

    Args:
        name: The name in the table.

    Returns:
        The name in files, in lower case.

    Example:
        >>> open_name("Price"), table_name(open_name("Price")), table_name("price")
        ('__sfx_open__price', 'price', 'price')
    """
    return f"{_OPEN}{name.lower()}"


def table_name(name: str) -> str:
    """What the table calls what files call so; see `open_name`."""
    return name.removeprefix(_OPEN)


def unknown_column(name: str, known: Iterable[str]) -> SchemaMismatch:
    """The error for a column that is not there, with the names that look like it.

    Args:
        name: The name asked for.
        known: The names that there are.

    Returns:
        The error, to be raised.

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
        hint = (
            f"the columns are {', '.join(map(repr, names[:20]))}{', …' if len(names) > 20 else ''}"  # noqa: PLR2004
        )
    return SchemaMismatch(f"there is no column {name!r}: {hint}")


def _flaw(name: str) -> str:
    if not name.strip():
        return "is empty"
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        return "has a control character or half a surrogate pair, which Hive cannot keep"
    if "," in name or "`" in name:
        return "has a comma or a backtick, with which Hive separates and quotes names"
    return ""
