"""JSON values: a document, and its long lists of numbers as columns."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.kinds.arrays import ArraySpec, join_array, split_list
from airflow_sfx.components.kinds.parts import Part, Stored, decoded, encoded
from airflow_sfx.core.errors import SchemaMismatch

DEEPEST = 100
"""The most levels of lists and objects."""
_MARK = "\x00sfx"
_LONG = 12
_MOST_DIGITS = 4000
_IN_MEMORY = 24  # bytes of Python's objects for a byte of JSON, about
_NAN = struct.pack("<d", float("nan"))


class JsonSpec(msgspec.Struct, tag="j", array_like=True, frozen=True):
    """What a JSON value is.

    Args:
        lists: The lists of numbers that are columns; in the document, an object names each.
    """

    lists: list[ArraySpec]

    @property
    def kind(self) -> Literal["json"]:
        """The kind of component."""
        return "json"


def split_json(value: object) -> list[tuple[JsonSpec, list[Part]]]:
    """Return a JSON value as its document, and as that without its long lists of numbers.

    Raises:
        SchemaMismatch: It is not JSON: it has another type, a key that is not text, or is too deep.
    """
    marked = _check(value)
    found = [(JsonSpec([]), [Part("json", [_text(value)])])]
    if not marked:
        specs: list[ArraySpec] = []
        parts: list[Part] = []
        rest = _without_lists(value, specs, parts)
        if specs:
            found.append((JsonSpec(specs), [Part("json", [_text(rest)]), *parts]))
    return found


def _text(value: object) -> bytes:
    return encoded(json.dumps(value, ensure_ascii=False, separators=(",", ":")), "the JSON value")


def _check(value: object) -> bool:
    """Raise an error unless a value is JSON; return whether an object in it has the mark."""
    marked = False
    level = [value]
    for _ in range(DEEPEST + 1):
        if not level:
            return marked
        following: list[object] = []
        for one in level:
            if type(one) is list:
                following += one
            elif type(one) is dict:
                marked = marked or _MARK in one
                following += _members(one)
            else:
                _check_single(one)
        level = following
    raise SchemaMismatch(
        f"a JSON value has more than {DEEPEST} levels of lists and objects: pass its parts as"
        " components of their own"
    )


def _members(value: dict[Any, Any]) -> Iterator[object]:
    for key, member in value.items():
        if type(key) is not str:
            raise SchemaMismatch(
                f"an object has the key {key!r:.60}, and a key of JSON is text; a map from integers"
                " has numbers of one type only: pass keys and values as components of their own"
            )
        yield member


def _check_single(value: object) -> None:
    if type(value) is float:
        if value != value and struct.pack("<d", value) != _NAN:  # noqa: PLR0124
            raise SchemaMismatch(
                "a JSON value has a NaN with a payload, which JSON does not have: pass the numbers"
                " as an array or as a list of numbers only"
            )
    elif type(value) is int:
        if value.bit_length() > _MOST_DIGITS * 3:
            raise SchemaMismatch(
                f"an integer has {value.bit_length()} bits, and one of JSON has at most"
                f" {_MOST_DIGITS} digits: pass it as text"
            )
    elif value is not None and type(value) not in (bool, str):
        raise SchemaMismatch(
            f"{value!r:.60} is of type {type(value).__name__}, and a component is an array, a"
            " sparse matrix, a map, a table or a JSON value of dict, list, str, int, float, bool"
            " and None: convert it, as a tuple to a list"
        )


def _without_lists(value: object, specs: list[ArraySpec], parts: list[Part]) -> object:
    """Return a value with an object in place of each long list of numbers."""
    if type(value) is dict:
        return {key: _without_lists(one, specs, parts) for key, one in value.items()}
    if type(value) is not list:
        return value
    if len(value) >= _LONG or (value and type(value[0]) is list):
        found = split_list(value)
        if found is not None:
            spec, columns = found
            specs.append(spec)
            place = {_MARK: len(parts)}
            parts += [
                Part(f"list_{len(parts) + number}", one.values)
                for number, one in enumerate(columns)
            ]
            return place
    return [_without_lists(one, specs, parts) for one in value]


def join_json(spec: JsonSpec, stored: Stored) -> object:
    """Return the value again.

    Raises:
        ModelRefused: The document is not JSON, or names columns that are not there.
    """
    (data,) = stored.texts(0, 1)
    stored.budget.take(len(data) * _IN_MEMORY)
    try:
        value = json.loads(decoded(data))
    except (ValueError, RecursionError) as error:
        raise refused(f"has a document that is not JSON ({error})") from error
    if not spec.lists:
        return value
    lists: dict[int, object] = {}
    place = 0
    for one in spec.lists:
        width = 2 if one.form == "m" else 1
        rest = Stored(stored.nodes[place + 1 : place + 1 + width], stored.source, stored.budget)
        lists[place] = join_array(one, rest)
        place += width
    found = _with_lists(value, lists, 0)
    if lists:
        raise refused("has columns that its document does not name")
    return found


def _with_lists(value: object, lists: dict[int, object], depth: int) -> object:
    """Return a value with its lists of numbers; each is taken once."""
    if depth > DEEPEST:
        raise refused(f"has a document of more than {DEEPEST} levels")
    if type(value) is dict:
        if value.keys() == {_MARK}:
            number = value[_MARK]
            if type(number) is not int or number not in lists:
                raise refused("has a document that names a column that is not there")
            return lists.pop(number)
        return {key: _with_lists(one, lists, depth + 1) for key, one in value.items()}
    if type(value) is list:
        return [_with_lists(one, lists, depth + 1) for one in value]
    return value
