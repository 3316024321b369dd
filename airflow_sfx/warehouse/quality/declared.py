"""Checks as data: how they are stored with a table, and read from a file.

The checks in force are parameters of the table in the metastore, which each writer reads anyway, so
that they cost no request. Their history is in the object store.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.manifest import Severity
from airflow_sfx.core.serde import compact, decode
from airflow_sfx.warehouse.quality.checks import (
    BuiltInCheck,
    has_columns,
    not_null,
    rows_between,
    rows_like_before,
    unique,
)
from airflow_sfx.warehouse.quality.fresh import fresh
from airflow_sfx.warehouse.quality.like_before import like_before
from airflow_sfx.warehouse.table.table import CHECKS_PARAMETER

NUMBER = f"{CHECKS_PARAMETER}s"
"""The table parameter with the number of the record whose checks are in force."""

_CHECK = f"{CHECKS_PARAMETER}."
"""The table parameters with one check each, numbered in their order."""

MOST_CHECKS = 100
_LONGEST = 3900
"""The characters of a parameter that every Hive Metastore stores."""

KINDS: Mapping[str, type[BuiltInCheck]] = {
    kind.__name__: kind
    for kind in (fresh, has_columns, like_before, not_null, rows_between, rows_like_before, unique)
}
"""The checks that can be declared, by name."""


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """A check of a table.

    Args:
        check: The check.
        severity: Whether a batch that fails it is rejected.

    Example:
        >>> DeclaredCheck.of({"check": "not_null", "columns": ["price"]}).check.name
        "not_null('price')"
    """

    check: BuiltInCheck
    severity: Severity = "fail"

    def to_json(self) -> dict[str, object]:
        """Return the members of the JSON object."""
        return {
            "check": type(self.check).__name__,
            **self.check.parameters,
            "severity": self.severity,
        }

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> DeclaredCheck:
        """Create a declared check from the members of a JSON object or a TOML table.

        Raises:
            InvalidName: There is no such check or severity, or a parameter is invalid.
        """
        parameters = dict(members)
        name, severity = parameters.pop("check", None), parameters.pop("severity", "fail")
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise InvalidName(
                f"check = {name!r:.80} is not a check that a table can have: name one of"
                f" {', '.join(KINDS)}"
            )
        if severity not in get_args(Severity):
            raise InvalidName(f"severity = {severity!r:.80} is neither fail nor warn")
        return cls(kind.of(parameters), severity)


def declare(checks: Iterable[object], warn: Iterable[object]) -> tuple[DeclaredCheck, ...]:
    """Return checks to store with a table.

    Args:
        checks: Checks that batches must pass.
        warn: Checks whose failure is only recorded.

    Raises:
        InvalidName: One cannot be stored, or two are the same, or there are too many.
    """
    declared = [_declared(one, "fail") for one in checks] + [_declared(one, "warn") for one in warn]
    names = [one.check.name for one in declared]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidName(f"the check {twice} is declared twice: leave one out")
    if len(declared) > MOST_CHECKS:
        raise InvalidName(f"{len(declared)} checks are declared: a table has up to {MOST_CHECKS}")
    return tuple(declared)


def _declared(check: object, severity: Severity) -> DeclaredCheck:
    if isinstance(check, DeclaredCheck):
        return check
    if type(check) not in KINDS.values() or not isinstance(check, BuiltInCheck):
        raise InvalidName(
            f"{check!r:.80} cannot be stored with a table, which keeps names and parameters and no"
            f" code: declare one of {', '.join(KINDS)}, or pass it as checks= in each store"
        )
    declared = DeclaredCheck(check, severity)
    if len(compact(declared.to_json())) > _LONGEST:
        raise InvalidName(
            f"the check {check.name:.80}… is longer than {_LONGEST} characters, which a Hive"
            " Metastore does not store: declare several smaller checks"
        )
    return declared


def checks_of_file(text: str, where: str) -> tuple[DeclaredCheck, ...]:
    """Read checks from a TOML file, a table ``[[check]]`` each.

    Args:
        text: The file's text.
        where: Its path, for messages.

    Raises:
        InvalidName: It is not TOML, has other members, or a check is invalid.

    Example:
        >>> text = '[[check]]' + chr(10) + 'name = "not_null"' + chr(10) + 'columns = ["price"]'
        >>> [one.check.name for one in checks_of_file(text, "checks.toml")]
        ["not_null('price')"]
    """
    try:
        members = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidName(f"{where} is not TOML: {error}") from error
    tables = members.pop("check", [])
    if members or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise InvalidName(
            f"{where} has {', '.join(members) or 'a member check that is not [[check]]'}: write a"
            " table [[check]] for each check, and nothing else"
        )
    found = []
    for place, one in enumerate(tables, 1):
        renamed = {"check" if name == "name" else name: value for name, value in one.items()}
        try:
            found.append(DeclaredCheck.of(renamed))
        except InvalidName as error:
            raise InvalidName(f"check {place} in {where}: {error}") from error
    return declare(found, ())


def checks_in(parameters: Mapping[str, str], table: str) -> tuple[DeclaredCheck, ...]:
    """Return the checks in force of a table.

    Args:
        parameters: The table's parameters.
        table: The table, for messages.

    Raises:
        InconsistentBatch: A parameter was changed, or a later version wrote it.
    """
    names = sorted(name for name in parameters if name.startswith(_CHECK))
    return tuple(_stored(parameters[name], f"the parameter {name} of {table}") for name in names)


def _stored(text: str, what: str) -> DeclaredCheck:
    try:
        return DeclaredCheck.of(decode(text, dict[str, Any], what))
    except InvalidName as error:
        raise InconsistentBatch(
            f"{what} is not a check of this version ({error}): install a later airflow_sfx, or"
            " declare the checks again"
        ) from error


def number_in(parameters: Mapping[str, str]) -> int:
    """Return the number of the record whose checks are in force, or 0."""
    text = parameters.get(NUMBER, "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def with_checks(
    parameters: Mapping[str, str], number: int, checks: Sequence[DeclaredCheck]
) -> dict[str, str]:
    """Return a table's parameters with other checks.

    Args:
        parameters: The present parameters.
        number: The number of the record that has the checks.
        checks: The checks.
    """
    kept = {
        name: value for name, value in parameters.items() if not name.startswith(CHECKS_PARAMETER)
    }
    named = {f"{_CHECK}{place:03d}": compact(one.to_json()) for place, one in enumerate(checks)}
    return {**kept, **named, NUMBER: str(number)}
