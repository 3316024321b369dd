"""What people say of a version when they promote it; its artifact never changes.

A statement is an object beside the model's log, numbered by version and written once, before the
promotion's entry of the log. A process that dies in between has said it, and promoted nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Record, Time, check_time, decode, decoding, encode
from airflow_sfx.models.describe.card import REQUIRED, TITLES, stated_parts
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.words import moment


@dataclass(frozen=True, slots=True)
class CardStatement:
    """What was said of a version when it was promoted.

    Args:
        parts: The texts by part of the card.
        alias: The alias that it was promoted to.
        at: When, in UTC.
        producer: By whom.
        without: The required parts that were not stated then, and without which it was promoted.
    """

    parts: Mapping[str, str] = field(hash=False)
    alias: str
    at: datetime
    producer: Producer
    without: tuple[str, ...] = ()

    @property
    def said_by(self) -> str:
        """Who promoted it, when and to which alias."""
        who = self.producer.dag_id or self.producer.user or "unknown"
        return f"{who}, who promoted it to {self.alias} at {moment(self.at)} UTC"


def state(
    table: Table,
    pin: ModelPin,
    card: str,
    said: Mapping[str, str],
    alias: str,
    producer: Producer,
    *,
    complete: bool | None,
) -> None:
    """Record what is said of a version, after checking that its card is complete.

    Args:
        table: The model's table.
        pin: The version.
        card: The card of its artifact.
        said: What is said now, by part.
        alias: The alias that it is promoted to.
        producer: By whom.
        complete: Whether to refuse a card that lacks a required part; False to record what it
            lacks; None not to look.

    Raises:
        ModelRefused: The card lacks a required part.
    """
    if not said and complete is None:
        return
    before = statements(table, pin.version)
    missing = [] if complete is None else missing_parts(card, [*before, said])
    if missing and complete:
        raise ModelRefused(
            f"the card of {pin} does not state {', '.join(missing)}, and {alias} is as it was",
            remedy=f"pass card={{{missing[0]!r}: '…'}}, or complete=False to promote it without",
            cli_remedy=f"pass --card {missing[0]}=TEXT, or --without-card to promote it without",
        )
    if not said and not missing:
        return
    record = {
        "parts": dict(said),
        "alias": alias,
        "at": datetime.now(UTC).isoformat(),
        "producer": producer.to_json(),
        "without": missing,
    }
    number = len(before) + 1
    while not table.store.put_if_absent(_path(table, pin.version, number), encode(record).encode()):
        number += 1  # another promoter has just said something


def statements(table: Table, version: str) -> list[CardStatement]:
    """Return what was said of a version at its promotions, oldest first.

    Args:
        table: The model's table.
        version: The version.
    """
    paths = sorted(info.path for info in table.store.list(_directory(table, version)))
    return map_concurrently(lambda path: _read(table, path), paths, table.store.concurrency)


def missing_parts(
    card: str,
    said: Sequence[CardStatement | Mapping[str, str]] = (),
    required: Sequence[str] = REQUIRED,
) -> list[str]:
    """Return the required parts that have not been stated.

    Args:
        card: The card of the artifact.
        said: What was said at promotions.
        required: The parts to look for.
    """
    stated = set(stated_parts(card))
    for one in said:
        parts = one.parts if isinstance(one, CardStatement) else one
        stated |= {name for name, text in parts.items() if text.strip()}
    return [name for name in required if name not in stated]


def with_statements(card: str, said: Sequence[CardStatement]) -> str:
    """Return a card with what was said at promotions below it.

    Args:
        card: The card of the artifact.
        said: What was said, oldest first.
    """
    if not said:
        return card
    lines = ["", "## Stated at promotions", ""]
    for one in said:
        for name, text in one.parts.items():
            lines += [f"### {TITLES.get(name, name)}", "", text, "", f"By {one.said_by}.", ""]
        if one.without:
            lines += [f"Without {', '.join(one.without)}: by {one.said_by}.", ""]
    return card.rstrip("\n") + "\n" + "\n".join(lines)


def _read(table: Table, path: str) -> CardStatement:
    record = decode(table.store.get(path), _StatementRecord, path)
    with decoding(path):
        at = check_time(record.at, "at")
    return CardStatement(record.parts, record.alias, at, record.producer, record.without)


def _directory(table: Table, version: str) -> str:
    return f"{table.layout.root}/_sfx/cards/{version}"


def _path(table: Table, version: str, number: int) -> str:
    return f"{_directory(table, version)}/{number:06d}.json"


class _StatementRecord(Record):
    parts: dict[str, str]
    alias: str
    at: Time
    producer: Producer
    without: tuple[str, ...] = ()
