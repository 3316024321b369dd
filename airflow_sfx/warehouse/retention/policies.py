"""Retention policies: rules for all tables whose names match a pattern.

A policy is an object of the warehouse. Each pattern has numbered versions, each written with a
conditional create; the newest counts, and may end the policy. A table is retained by the most
specific policy that matches it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from airflow_sfx.core.errors import ForeignChange, InvalidName, SfxError
from airflow_sfx.core.paths import path_step
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Number, Record, Time, check_time, decode, decoding, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.retention.expire import RetentionReport, Rule

_DIRECTORY = "_sfx/policies"
_PATTERN = re.compile(r"[a-z0-9_*-]+\.[a-z0-9_*-]+")
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """A retention rule for all tables whose names match a pattern.

    Args:
        pattern: The tables: ``shop.*``, or ``*.orders``.
        rule: Which batches expire, or None if this version ends the policy.
        number: The version of the policy, starting at 1.
        at: When it was set, in UTC.
        producer: Who set it.
        reason: The reason.

    Example:
        >>> rule = Rule(30, timedelta(days=90))
        >>> policy = Policy("shop.*", rule, 1, datetime(2016, 11, 1, tzinfo=UTC))
        >>> policy.matches(TableRef("shop", "orders")), policy.matches(TableRef("web", "orders"))
        (True, False)
    """

    pattern: str
    rule: Rule | None
    number: int
    at: datetime
    producer: Producer = field(default_factory=Producer)
    reason: str = ""

    def matches(self, ref: TableRef) -> bool:
        """Return whether the policy is of a table."""
        database, table = self.pattern.split(".")
        return fnmatchcase(ref.database, database) and fnmatchcase(ref.table, table)


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What the retention of one table by its policy would do, or did.

    Args:
        table: The table as ``database.table``.
        pattern: The pattern of its policy, or None if none matches: the table is left alone.
        report: The report of its retention, or None if it was not retained.
        problem: Why it could not be retained; otherwise empty.
    """

    table: str
    pattern: str | None
    report: RetentionReport | None = None
    problem: str = ""


def set_policy(store: ObjectStore, pattern: str, rule: Rule | None, author: Author) -> Policy:
    """Set the rule of a pattern, or end its policy.

    Args:
        store: The warehouse's object store.
        pattern: The tables.
        rule: The rule, or None to end the policy.
        author: Who, and why.

    Returns:
        The new version of the policy.

    Raises:
        InvalidName: The pattern is not one, or has no policy to end.
    """
    pattern = check_pattern(pattern)
    newest = next((one for one in _newest(store) if one.pattern == pattern), None)
    if rule is None and (newest is None or newest.rule is None):
        raise InvalidName(
            f"there is no retention policy {pattern!r}: `sfx policies` lists those in force"
        )
    number = newest.number + 1 if newest else 1
    while True:
        made = Policy(pattern, rule, number, datetime.now(UTC), author.producer, author.reason)
        if store.put_if_absent(_path(pattern, number), _to_text(made).encode()):
            return made
        number += 1  # another writer has just set it


def policies(store: ObjectStore) -> list[Policy]:
    """Return the policies in force, the most specific first.

    Args:
        store: The warehouse's object store.
    """
    return sorted((one for one in _newest(store) if one.rule is not None), key=_precedence)


def retain_by_policies(
    refs: Iterable[TableRef],
    known: Sequence[Policy],
    retain: Callable[[TableRef, Rule], RetentionReport],
) -> list[PolicyReport]:
    """Retain tables by their policies; a table that fails does not stop the others.

    Args:
        refs: The tables.
        known: The policies, the most specific first.
        retain: Retains one table.

    Returns:
        One report for each table of this warehouse.
    """
    reports = []
    for ref in refs:
        policy = next((one for one in known if one.matches(ref)), None)
        if policy is None or policy.rule is None:
            reports.append(PolicyReport(str(ref), None))
            continue
        try:
            done = retain(ref, policy.rule)
        except ForeignChange:  # a table of another engine, which has no batches
            continue
        except SfxError as error:
            reports.append(PolicyReport(str(ref), policy.pattern, None, str(error)))
        else:
            reports.append(PolicyReport(str(ref), policy.pattern, done))
    return reports


def check_pattern(pattern: str) -> str:
    """Return a pattern in lower case.

    Raises:
        InvalidName: It is not a pattern of tables.

    Example:
        >>> check_pattern("Shop.*")
        'shop.*'
    """
    if not isinstance(pattern, str) or not _PATTERN.fullmatch(pattern.lower()):
        raise InvalidName(
            f"{pattern!r:.80} is not a pattern of tables: write DATABASE.TABLE, with * for any"
            " characters, as in shop.*"
        )
    return pattern.lower()


def _precedence(policy: Policy) -> tuple[bool, int, str]:
    """Sort exact names first, and then patterns with more characters beside ``*``."""
    return "*" in policy.pattern, -len(policy.pattern.replace("*", "")), policy.pattern


def _newest(store: ObjectStore) -> list[Policy]:
    paths = [info.path for info in store.list(_DIRECTORY)]
    found = map_concurrently(
        lambda path: _parsed(store.get(path) or b"", path), paths, store.concurrency
    )
    newest: dict[str, Policy] = {}
    for one in found:
        there = newest.get(one.pattern)
        if there is None or there.number < one.number:
            newest[one.pattern] = one
    return list(newest.values())


def _path(pattern: str, number: int) -> str:
    return f"{_DIRECTORY}/{path_step(pattern)}/{number:06}.json"


def _to_text(policy: Policy) -> str:
    rule = policy.rule
    return encode(
        {
            "pattern": policy.pattern,
            "number": policy.number,
            "at": policy.at.isoformat(),
            "producer": policy.producer.to_json(),
            "reason": policy.reason,
            "rule": rule
            and {
                "keep_last": rule.keep_last,
                "older_than_us": rule.older_than // _MICROSECOND,
                "grace_us": rule.grace // _MICROSECOND,
                "staged_older_than_us": None
                if rule.staged_older_than is None
                else rule.staged_older_than // _MICROSECOND,
            },
        }
    )


def _parsed(data: bytes, path: str) -> Policy:
    record = decode(data, _PolicyRecord, path)
    with decoding(path):
        if path != _path(check_pattern(record.pattern), record.number):
            raise InvalidName(f"it is of {record.pattern!r}, and was moved or copied")
        return Policy(
            record.pattern,
            None if record.rule is None else _rule_of(record.rule),
            record.number,
            check_time(record.at, "at"),
            record.producer,
            record.reason,
        )


def _rule_of(record: _RuleRecord) -> Rule:
    staged = record.staged_older_than_us
    return Rule(
        record.keep_last,
        timedelta(microseconds=record.older_than_us),
        timedelta(microseconds=record.grace_us),
        None if staged is None else timedelta(microseconds=staged),
    )


class _RuleRecord(Record):
    keep_last: Number
    older_than_us: int
    grace_us: int
    staged_older_than_us: int | None = None


class _PolicyRecord(Record):
    pattern: str
    number: Number
    at: Time
    producer: Producer
    reason: str
    rule: _RuleRecord | None = None
