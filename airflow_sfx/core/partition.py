r"""Partitions: their key columns, their values as text, and their names in paths.

A value's text is percent-encoded for paths by Hive's rule (``FileUtils.escapePathName`` in Apache
Hive 2.3: control characters and ``"#%'*/:=?\{[]^`` become ``%XX``), so that Hive's own unescaping
reverses it. Beyond Hive, a leading ``_`` or ``.`` is encoded too, because engines treat such
directories as hidden.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product

from airflow_sfx.core.errors import InvalidName, counted
from airflow_sfx.core.table import identifier
from airflow_sfx.core.validation import is_missing, listed

MAX_ENCODED_BYTES = 255
"""The longest component of a path on common file systems (ext4, XFS), in bytes."""

DEFAULT_KEY = "partition"
"""The name of a table's only key if the caller does not name it."""

_ESCAPED = frozenset("\"#%'*/:=?\\{[]^\x7f")
_NEEDS_ESCAPE = re.compile("[" + re.escape("".join(sorted(_ESCAPED))) + "]")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""Values that keep every rule, as nearly all do; only others need the full check."""
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGERS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
INTEGER_TYPES = frozenset(_INTEGERS)
"""The types of keys that differ only in their range."""
_KEY_TYPES = ("string", "tinyint", "smallint", "int", "bigint", "date", "boolean", "timestamp")


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """A partition column of a table.

    Args:
        name: The column's name.
        type: Its Hive type: string, tinyint, smallint, int, bigint, date, boolean or timestamp.

    Raises:
        InvalidName: The name or the type cannot be a partition key's.

    Example:
        >>> PartitionKey("date")
        PartitionKey(name='date', type='string')
    """

    name: str
    type: str = "string"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", identifier(self.name, "partition key"))
        if not isinstance(self.type, str) or self.type not in _KEY_TYPES:
            raise InvalidName(
                f"{self.type!r} cannot be the type of the partition key {self.name!r}: use one of"
                f" {', '.join(_KEY_TYPES)}"
            )

    def check(self, value: str) -> None:
        """Check that a value's text is the one that Hive writes for the key's type.

        Args:
            value: The text.

        Raises:
            InvalidName: It is not, for example ``01`` for an ``int``.

        Example:
            >>> PartitionKey("date", "date").check("2016-10-31")
        """
        if not _fits(value, self.type):
            spelt = [one.values[0] for one in other_spellings(Partition((value,)))]
            meant = next((one for one in spelt if _fits(one, self.type)), None)
            raise InvalidName(
                f"{value!r} is not how Hive writes the type {self.type}, that of the partition key"
                f" {self.name!r}",
                remedy=f"did you mean {meant}?"
                if meant
                else (
                    "pass a value of that type, or name the key as a string when the table is made"
                ),
            )


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """The values of a partition's keys; none for an unpartitioned table.

    Args:
        values: One text per key.

    Raises:
        InvalidName: A value breaks a rule of `partition_value`.

    Example:
        >>> Partition(("2016", "US/East")).values
        ('2016', 'US/East')
    """

    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for value in self.values:
            if not (isinstance(value, str) and _PLAIN.fullmatch(value)):
                partition_value(value)

    def __str__(self) -> str:
        return "/".join(escape(value) for value in self.values)


def partition_value(value: object) -> str:
    """Return the text that Hive writes for a partition value.

    Args:
        value: Text (unchanged, also the texts ``None`` and ``nan``), an integer, a boolean, a
            date, a naive datetime, or an Arrow scalar of these.

    Returns:
        The text: ``20161031``, ``7``, ``true``, ``2016-10-31``, ``2016-10-31 00:00:00``.

    Raises:
        InvalidName: The value is missing (``None``, ``NaN``, ``NaT``, ``NA``, null), empty or of
            another type, has control characters or a ``..`` step, or is too long.

    Example:
        >>> values = ("01", 7, True, date(2016, 10, 31), datetime(2016, 10, 31, 5))
        >>> [partition_value(value) for value in values]
        ['01', '7', 'true', '2016-10-31', '2016-10-31 05:00:00']
    """
    text = _as_text(value)
    if not text:
        raise InvalidName(
            "a partition value cannot be empty", remedy="pass the value, such as '20161031'"
        )
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise InvalidName(
            f"the partition value {_shown(text)} has a control character or half a surrogate pair",
            remedy="remove it, it is most often a line break that came with the value",
        )
    if any(step in (".", "..") for step in re.split(r"[/\\]", text)):
        raise InvalidName(
            f"the partition value {_shown(text)} has a '.' or '..' step as in a path",
            remedy="pass a plain value",
        )
    if text == _HIVE_NULL:
        raise InvalidName(
            f"{text!r} is Hive's name for a null partition value", remedy="pass a value"
        )
    if len(escape(text).encode()) > MAX_ENCODED_BYTES:
        raise InvalidName(
            f"the partition value {_shown(text)} has {len(escape(text).encode())} bytes when it is"
            f" encoded for a path, and {MAX_ENCODED_BYTES} are the most",
            remedy="use a shorter value",
        )
    return text


def escape(value: str) -> str:
    """Encode a partition value for a path, reversibly.

    Args:
        value: The value's text.

    Returns:
        The encoded text; `unescape` decodes it.

    Example:
        >>> escape("a/b=c"), escape("_x")
        ('a%2Fb%3Dc', '%5Fx')
    """
    text = _NEEDS_ESCAPE.sub(lambda found: f"%{ord(found.group()):02X}", value)
    return f"%{ord(text[0]):02X}{text[1:]}" if text[:1] in ("_", ".") else text


def unescape(text: str) -> str:
    """Decode a partition value that `escape` or Hive encoded.

    Args:
        text: A component of a path.

    Returns:
        The value.

    Example:
        >>> unescape("a%2Fb%3Dc")
        'a/b=c'
    """
    return _PERCENT.sub(lambda found: chr(int(found.group(1), 16)), text)


_SEPARATORS = ("-", "", "/", "_", ".")
_DAY = re.compile(r"(\d{4})([-/_.]?)(\d{2})\2(\d{2})(?:[ T]00:00:00)?")


def as_day(value: str) -> str:
    """Return a partition value that is a day as ``2016-10-31``, and others unchanged.

    Example:
        >>> as_day("20161031"), as_day("2016/10/31"), as_day("20161331"), as_day("EU")
        ('2016-10-31', '2016-10-31', '20161331', 'EU')
    """
    return _day(value) or value


def _day(value: str) -> str | None:
    found = _DAY.fullmatch(value)
    try:
        return date(int(found[1]), int(found[3]), int(found[4])).isoformat() if found else None
    except ValueError:
        return None


def other_spellings(partition: Partition) -> list[Partition]:
    """Return the partitions that are the same days as another, spelt in another way.

    Example:
        >>> [str(one) for one in other_spellings(Partition(("20161031",)))][:2]
        ['2016-10-31', '2016%2F10%2F31']
    """
    choices: list[list[str]] = []
    for value in partition.values:
        day = _day(value)
        spelt = [day.replace("-", one) for one in _SEPARATORS] if day else []
        midnight = [f"{day} 00:00:00"] if day else []
        choices.append([value, *(one for one in (*spelt, *midnight) if one != value)])
    return [Partition(values) for values in product(*choices) if values != partition.values]


def partition_keys(
    given: Sequence[str] | Mapping[str, str] | None, values: int
) -> tuple[PartitionKey, ...]:
    """Return the keys of a new table.

    Args:
        given: Names, or names with Hive types, or None for the default name.
        values: The number of partition values that the caller passes.

    Returns:
        The keys; a single unnamed key is called ``partition``.

    Raises:
        InvalidName: The number of names and values differs, or several keys are unnamed, or a name
            comes twice.

    Example:
        >>> partition_keys(None, 1)
        (PartitionKey(name='partition', type='string'),)
        >>> partition_keys({"day": "date"}, 1)
        (PartitionKey(name='day', type='date'),)
    """
    if given is None:
        if values > 1:
            raise InvalidName(
                f"{values} partition values came without names: pass partition_keys=, such as"
                " ['year', 'country']"
            )
        return (PartitionKey(DEFAULT_KEY),) * values
    if isinstance(given, str):
        raise InvalidName(f"partition_keys={given!r} is text: pass a list, [{given!r}]")
    pairs = (
        given.items()
        if isinstance(given, Mapping)
        else [(name, "string") for name in listed(given, "partition_keys")]
    )
    keys = tuple(PartitionKey(name, type_) for name, type_ in pairs)
    if len(keys) != values:
        raise InvalidName(
            f"{counted(len(keys), 'partition key')} {[k.name for k in keys]} came with"
            f" {counted(values, 'partition value')}"
        )
    if len({key.name for key in keys}) != len(keys):
        raise InvalidName(f"a partition key comes twice in {[k.name for k in keys]}")
    return keys


def partition_list(given: Iterable[object], argument: str = "partitions") -> tuple[object, ...]:
    """Return the partitions that a call names, from any ordered collection.

    Args:
        given: The argument.
        argument: Its name, for messages.

    Returns:
        Its items.

    Raises:
        InvalidName: It is a single value or a set.

    Example:
        >>> partition_list(("20161031", "20161101"))
        ('20161031', '20161101')
    """
    if isinstance(given, Set):
        raise InvalidName(f"{argument}={given!r:.120} is a set, which has no order: pass a list")
    return listed(given, argument)


def partitions_of(
    given: Iterable[object], keys: int, *, table: str, argument: str = "partitions"
) -> tuple[Partition, ...]:
    """Return the partitions that the ``partitions=`` of a call names.

    For a table with one key, each item is one partition's value. For a table with several, pass one
    partition as a flat list of its values, or several as a list of such lists.

    Args:
        given: The argument: a list, a column of a frame or an array of values.
        keys: The number of partition keys of the table.
        table: The table's name, for messages.
        argument: The argument's name, for messages.

    Returns:
        The partitions, in the order given, each once.

    Raises:
        InvalidName: The values do not fit the keys, or one breaks a rule.

    Example:
        >>> [p.values for p in partitions_of(["20161031", "20161101"], 1, table="sales.sold_items")]
        [('20161031',), ('20161101',)]
        >>> [p.values for p in partitions_of([2016, "US"], 2, table="sales.sold_items")]
        [('2016', 'US')]
    """
    given = partition_list(given, argument)
    if not given:
        raise InvalidName(f"{argument}= is empty: name a partition, or leave the argument out")
    nested = [isinstance(item, (tuple, list)) for item in given]
    if any(nested) and not all(nested):
        raise InvalidName(
            f"{argument}={list(given)!r} mixes values and lists of values: use one of them"
        )
    if nested[0]:
        rows = [tuple(item) for item in given if isinstance(item, (tuple, list))]
    elif keys == 1:
        rows = [(item,) for item in given]
    else:
        rows = [tuple(given)]
    for row in rows:
        if len(row) != keys:
            raise InvalidName(
                f"{table} has {counted(keys, 'partition key')} and {row!r} has"
                f" {counted(len(row), 'value')}: pass one value per key"
            )
    return tuple(
        dict.fromkeys(Partition(tuple(partition_value(value) for value in row)) for row in rows)
    )


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)  # of a member of an enumeration, str() would give its name
    if is_missing(value):
        raise InvalidName(
            f"{value!r:.80} ({type(value).__name__}) is a missing value, and a partition must have"
            " one: fill it, or leave out what has none"
        )
    if hasattr(value, "as_py"):  # a scalar of Arrow, as a column of it holds
        return _as_text(value.as_py())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            raise InvalidName(
                f"the partition value {value!r} has a time zone: pass the text or the date that you"
                " mean"
            )
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    # An array of one number has it as well.
    if hasattr(value, "__index__") and not getattr(value, "shape", ()):
        return str(value.__index__())
    raise InvalidName(
        f"{value!r} ({type(value).__name__}) cannot be a partition value: pass text, an integer, a"
        " boolean or a date"
    )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004


def _fits(text: str, type_: str) -> bool:
    try:
        if type_ in _INTEGERS:
            bound = 1 << (_INTEGERS[type_] - 1)
            return text == str(int(text)) and -bound <= int(text) < bound
        if type_ == "date":
            return text == date.fromisoformat(text).isoformat()
        if type_ == "timestamp":
            return text == datetime.fromisoformat(text).isoformat(sep=" ")
    except ValueError:
        return False
    return type_ == "string" or text in ("true", "false")
