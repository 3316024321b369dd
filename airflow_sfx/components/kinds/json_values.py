"""JSON values: a document, and its long lists of numbers as columns."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.kinds.arrays import ArraySpec, join_array, split_list
from airflow_sfx.components.kinds.parts import Part, Stored, decoded, encoded
from airflow_sfx.core.errors import SchemaMismatch

DEEPEST = 100
"""The most levels of lists and objects."""
_MARK = "\x00sfx"
_LONG, _MANY = 12, 12
_MOST_DIGITS = 4000
_WIDE = 1
_IN_MEMORY, _IN_MEMORY_PACKED = 24, 72  # bytes of Python's objects for a byte of the document
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
_NAN = struct.pack("<d", float("nan"))


class JsonSpec(msgspec.Struct, tag="j", array_like=True, frozen=True):
    """What a JSON value is.

    Args:
        lists: The lists of numbers that are columns; in the document, an object names each.
        members: The members of objects whose values are columns, of integers or of floats; in the
            document, each value is null.
        packed: Whether the document is in MessagePack, which keeps numbers in fewer bytes.
    """

    lists: list[ArraySpec]
    members: list[tuple[str, Count, Literal["i", "f"]]]
    packed: bool = False

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
    found = [
        (JsonSpec([], []), [Part("json", [_text(value)])]),
        (JsonSpec([], [], packed=True), [Part("json", [_packed(value)])]),
    ]
    if not marked:
        members = _Members(value)
        specs: list[ArraySpec] = []
        parts: list[Part] = []
        rest = _without_lists(members.without(value), specs, parts)
        if specs or members.kept:
            spec = JsonSpec(
                specs, [(key, len(kept), kind) for key, kind, kept in members.columns()]
            )
            parts += [Part(key, _numbers(kept, kind)) for key, kind, kept in members.columns()]
            found.append((spec, [Part("json", [_text(rest)]), *parts]))
    return found


class _Members:
    """The members of objects that have numbers of one type in many objects.

    Args:
        value: A JSON value.
    """

    def __init__(self, value: object) -> None:
        found: dict[str, list[object]] = {}
        for key, member in _all_members(value):
            found.setdefault(key, []).append(member)
        self.kept = {
            key: members
            for key, members in found.items()
            if len(members) >= _MANY and _kind_of(members) is not None
        }

    def without(self, value: object) -> object:
        """Return a value with null in place of those members."""
        if type(value) is dict:
            return {
                key: None if key in self.kept else self.without(one) for key, one in value.items()
            }
        return [self.without(one) for one in value] if type(value) is list else value

    def columns(self) -> Iterator[tuple[str, Literal["i", "f"], list[object]]]:
        """Yield each member's name, type and values."""
        for key, members in self.kept.items():
            kind = _kind_of(members)
            if kind is not None:
                yield key, kind, members


def _all_members(value: object) -> Iterator[tuple[str, object]]:
    """Yield the members of all objects, in the order of the document."""
    if type(value) is dict:
        for key, member in value.items():
            yield key, member
            yield from _all_members(member)
    elif type(value) is list:
        for one in value:
            yield from _all_members(one)


def _kind_of(members: list[object]) -> Literal["i", "f"] | None:
    types = set(map(type, members))
    if types == {float}:
        return "f"
    if types == {int} and all(-(1 << 63) <= one < 1 << 63 for one in members if type(one) is int):
        return "i"
    return None


def _numbers(members: list[object], kind: Literal["i", "f"]) -> Array:
    return np.array(members, dtype="<f8" if kind == "f" else "<i8")


def _text(value: object) -> bytes:
    return encoded(json.dumps(value, ensure_ascii=False, separators=(",", ":")), "the JSON value")


def _packed(value: object) -> bytes:
    """Return a value in MessagePack; an integer of more than 64 bits is an extension."""
    return msgspec.msgpack.encode(_with_wide(value))


def _with_wide(value: object) -> object:
    """Return a value with extensions of MessagePack in place of wide integers."""
    if type(value) is dict:
        return {key: _with_wide(one) for key, one in value.items()}
    if type(value) is list:
        return [_with_wide(one) for one in value]
    if type(value) is int and not -(1 << 63) <= value < 1 << 64:
        size = value.bit_length() // 8 + 1
        return msgspec.msgpack.Ext(_WIDE, value.to_bytes(size, "little", signed=True))
    return value


def _wide(code: int, data: memoryview) -> int:
    if code != _WIDE or len(data) > _MOST_DIGITS:
        raise ValueError("an extension that is not used")
    return int.from_bytes(data, "little", signed=True)


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
    stored.budget.take(len(data) * (_IN_MEMORY_PACKED if spec.packed else _IN_MEMORY))
    try:
        if spec.packed:
            value = msgspec.msgpack.decode(data, ext_hook=_wide)
            _check(value)
        else:
            value = json.loads(decoded(data))
    except (ValueError, RecursionError, SchemaMismatch) as error:
        raise refused(f"has a document that is not JSON ({error})") from error
    if not spec.lists and not spec.members:
        return value
    lists: dict[int, object] = {}
    place = 0
    for one in spec.lists:
        width = 2 if one.form == "m" else 1
        rest = Stored(stored.nodes[place + 1 : place + 1 + width], stored.source, stored.budget)
        lists[place] = join_array(one, rest)
        place += width
    members: dict[str, Iterator[object]] = {}
    for key, count, kind in spec.members:
        stored.budget.take(count * 32)
        column = stored.column(place + 1, count, np.dtype("<f8" if kind == "f" else "<i8"))
        members[key] = iter(column.tolist())
        place += 1
    found = _with_numbers(value, lists, members, 0)
    if lists or any(next(left, _MARK) is not _MARK for left in members.values()):
        raise refused("has columns that its document does not name")
    return found


def _with_numbers(
    value: object, lists: dict[int, object], members: dict[str, Iterator[object]], depth: int
) -> object:
    """Return a value with its lists of numbers, and the members that are columns."""
    if depth > DEEPEST:
        raise refused(f"has a document of more than {DEEPEST} levels")
    if type(value) is dict:
        if value.keys() == {_MARK}:
            number = value[_MARK]
            if type(number) is not int or number not in lists:
                raise refused("has a document that names a column that is not there")
            return lists.pop(number)
        found: dict[str, object] = {}
        for key, one in value.items():
            if key in members:
                found[key] = next(members[key], _MARK)
                if found[key] is _MARK:
                    raise refused("has a document that names a number that is not there")
            else:
                found[key] = _with_numbers(one, lists, members, depth + 1)
        return found
    if type(value) is list:
        return [_with_numbers(one, lists, members, depth + 1) for one in value]
    return value
