"""Declaring the checks of a table, and their history.

A declaration is a numbered record, created if its number is free; the table's parameters follow. If
a process dies between the two, the earlier checks stay in force until `put_in_force` runs: by the
next declaration, or by `repair`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Number, Record, Time, check_time, compact, decode, decoding
from airflow_sfx.metastore.base import TableInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.quality.declared import (
    DeclaredCheck,
    checks_in,
    number_in,
    with_checks,
)
from airflow_sfx.warehouse.table.table import Table

_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class CheckDeclaration:
    """Who declared which checks of a table.

    Args:
        number: The declaration's number, from 1.
        checks: The checks, as they are stored: ``check``, its parameters, and ``severity``.
        at: When, in UTC.
        producer: Who declared them.
        reason: Why, in their words.
        in_force: Whether writers run these checks now.
    """

    number: int
    checks: tuple[dict[str, Any], ...]
    at: datetime
    producer: Producer
    reason: str
    in_force: bool = False


class _DeclarationRecord(Record):
    number: Number
    checks: tuple[dict[str, Any], ...]
    at: Time
    producer: Producer
    reason: str


def set_checks(table: Table, checks: Sequence[DeclaredCheck], author: Author) -> CheckDeclaration:
    """Declare the checks of a table; the same checks again change nothing.

    Args:
        table: The table.
        checks: The checks, all of them.
        author: Who declares them, and why.

    Returns:
        The declaration that is in force.

    Raises:
        SchemaMismatch: A check names a column that the table does not have.
    """
    newest = _newest(table)
    if newest is None or newest.checks != tuple(one.to_json() for one in checks):
        _refuse_unknown_columns(table, checks)
        newest = _record(table, newest.number if newest else 0, checks, author)
    put_in_force(table, newest)
    return replace(newest, in_force=True)


def _refuse_unknown_columns(table: Table, checks: Sequence[DeclaredCheck]) -> None:
    from airflow_sfx.frames.column_names import unknown_column

    names = [*(one.name for one in table.info.columns), *table.layout.keys]
    known = {name.lower() for name in names}
    for declared in checks:
        for column in declared.check.needs:
            if column.lower() not in known:
                why = unknown_column(column, names)
                raise SchemaMismatch(
                    f"the check {declared.check.name} does not fit {table.ref}: {why}",
                    table=str(table.ref),
                )


def _record(
    table: Table, number: int, checks: Sequence[DeclaredCheck], author: Author
) -> CheckDeclaration:
    members = tuple(one.to_json() for one in checks)
    while True:
        number += 1
        declared = CheckDeclaration(
            number, members, datetime.now(UTC), author.producer, author.reason
        )
        record = {
            "format_version": _FORMAT_VERSION,
            "number": number,
            "at": declared.at.isoformat(),
            "producer": author.producer.to_json(),
            "reason": author.reason,
            "checks": list(members),
        }
        if table.store.put_if_absent(_path(table, number), compact(record).encode()):
            return declared


def put_in_force(table: Table, newest: CheckDeclaration | None = None) -> bool:
    """Put the newest declaration in force, unless it is.

    Args:
        table: The table.
        newest: The newest declaration, or None to read it.

    Returns:
        Whether it was not.
    """
    newest = newest or _newest(table)
    if newest is None or number_in(table.info.parameters) >= newest.number:
        return False
    number, checks = newest.number, [DeclaredCheck.of(one) for one in newest.checks]

    def change(now: TableInfo) -> TableInfo:
        if number_in(now.parameters) >= number:
            return now  # a later declaration
        return replace(now, parameters=with_checks(now.parameters, number, checks))

    table.update(change)
    return True


def declarations(table: Table) -> list[CheckDeclaration]:
    """Return all declarations of a table's checks, newest first."""
    paths = sorted((one.path for one in table.store.list(table.layout.checks)), reverse=True)
    found = map_concurrently(lambda path: _read(table, path), paths, table.store.concurrency)
    now = number_in(table.info.parameters)
    return [replace(one, in_force=one.number == now) for one in found]


def declared_checks(table: Table) -> tuple[DeclaredCheck, ...]:
    """Return the checks of a table that are in force."""
    return checks_in(table.info.parameters, str(table.ref))


def _newest(table: Table) -> CheckDeclaration | None:
    paths = [one.path for one in table.store.list(table.layout.checks)]
    return _read(table, max(paths)) if paths else None


def _read(table: Table, path: str) -> CheckDeclaration:
    record = decode(table.store.get(path), _DeclarationRecord, path)
    with decoding(path):
        at = check_time(record.at, "at")
        return CheckDeclaration(record.number, record.checks, at, record.producer, record.reason)


def _path(table: Table, number: int) -> str:
    return f"{table.layout.checks}/{number:06d}.json"
