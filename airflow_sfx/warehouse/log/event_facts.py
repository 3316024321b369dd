"""Facts in the name of an event: batches, failed checks, figures of columns.

The figures are rounded, as a name has little room: they say in which batches the night looks for
anomalies, and the manifests' own figures decide. Columns for which there is no room are left out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.manifest import Manifest

MOST_PARTITIONS = 100
"""Up to how many partitions of a commit there are figures of its columns."""

_MOST_IDS = 3
_WARNED = "w"
_SINGLE, _SEVERAL = struct.Struct(">HHB"), struct.Struct(">HHHB")
_NULLS = 254
"""The whole of a column, in parts of nulls."""
_UNKNOWN = 0x7FC0
"""The first half of a float that is not a number."""


class ColumnFacts(NamedTuple):
    """Rounded figures of a column of the batches of a commit; there are many of them.

    Args:
        least: The least mean of a batch, or None if unknown.
        most: The greatest mean of a batch, or None if unknown.
        nulls: The greatest part of nulls, between 0 and 1.
    """

    least: float | None
    most: float | None
    nulls: float


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What the name of a commit's event says beside its rows.

    Args:
        batches: The batches that became current, or that a rollback ended; empty for more than
            three.
        warned: Whether a check failed that only warns.
        figures: Figures by a number for the column's name, of columns that have a mean or nulls.
    """

    batches: tuple[str, ...] = ()
    warned: bool = False
    figures: Mapping[int, ColumnFacts] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Sequence[LogEntry], changes: Sequence[Change]) -> EventFacts:
        """Return the facts of a commit.

        Args:
            entries: Its entries.
            changes: The changes that they record.
        """
        undoes = entries[0].operation is Operation.ROLLBACK
        ids = {one.previous if undoes else one.batch_id for one in entries}
        batches = sorted(filter(None, ids)) if len(ids) <= _MOST_IDS else ()
        manifests = [one.manifest for one in changes if one.manifest is not None]
        warned = any(not result.passed for one in manifests for result in one.checks)
        return cls(tuple(batches), warned, _figures(manifests))

    @classmethod
    def from_text(cls, text: str) -> EventFacts:
        """Decode facts; empty ones if the text is damaged.

        Example:
            >>> EventFacts.from_text("20161101002256.w.").batches
            ('20161101002256',)
        """
        ids, _, rest = text.partition(".")
        flag, _, packed = rest.partition(".")
        batches = tuple(filter(None, ids.split("-")))
        return cls(batches, flag == _WARNED, _unpacked(packed) if packed else {})

    def to_text(self, room: int) -> str:
        """Encode the facts for a name.

        Args:
            room: How many characters there are.

        Returns:
            The text, without the figures for which there is no room; empty if there is none at all.

        Example:
            >>> EventFacts(("20161101002256",), warned=True).to_text(100)
            '20161101002256.w.'
        """
        begin = f"{'-'.join(self.batches)}.{_WARNED if self.warned else ''}."
        if len(begin) > room:
            return ""
        return begin + _packed(self.figures, (room - len(begin)) * 3 // 4)


@lru_cache(maxsize=4096)
def column_number(name: str) -> int:
    """Return the number that stands for a column's name."""
    return int.from_bytes(hashlib.sha256(name.lower().encode()).digest()[:2])


def _figures(manifests: Sequence[Manifest]) -> dict[int, ColumnFacts]:
    if not 0 < len(manifests) <= MOST_PARTITIONS:
        return {}
    found: dict[int, ColumnFacts] = {}
    names = dict.fromkeys(column.name for one in manifests for column in one.columns)
    for name in names:
        known = [(one.statistics[name], one.rows) for one in manifests if name in one.statistics]
        means = [mean for one, rows in known if (mean := one.mean(rows)) is not None]
        nulls = max((one.null_count / max(1, rows) for one, rows in known), default=0.0)
        if means or nulls:
            found[column_number(name)] = ColumnFacts(
                min(means, default=None), max(means, default=None), nulls
            )
    return found


def _packed(figures: Mapping[int, ColumnFacts], most: int) -> str:
    single = all(one.least == one.most for one in figures.values())
    form = _SINGLE if single else _SEVERAL
    parts = [b"\0" if single else b"\1"]
    for number, one in list(figures.items())[: max(0, most - 1) // form.size]:
        nulls = round(one.nulls * _NULLS)
        means = (one.least,) if single else (one.least, one.most)
        parts.append(form.pack(number, *map(_halved, means), nulls))
    if len(parts) == 1:
        return ""
    return base64.urlsafe_b64encode(b"".join(parts)).decode().rstrip("=")


def _unpacked(text: str) -> dict[int, ColumnFacts]:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        form = _SEVERAL if data[0] else _SINGLE
        return {
            number: ColumnFacts(_whole(means[0]), _whole(means[-1]), nulls / _NULLS)
            for number, *means, nulls in form.iter_unpack(data[1:])
        }
    except (binascii.Error, ValueError, IndexError, struct.error):
        return {}


def _halved(value: float | None) -> int:
    """Return the first half of a number as a float of four bytes: to 0.4 %."""
    try:
        (bits,) = struct.unpack(">I", struct.pack(">f", math.nan if value is None else value))
    except OverflowError:
        return _UNKNOWN
    return min(bits + 0x8000 >> 16, 0xFFFF) if math.isfinite(value or 0) else _UNKNOWN


@lru_cache(maxsize=1 << 16)
def _whole(half: int) -> float | None:
    (value,) = struct.unpack(">f", struct.pack(">I", half << 16))
    return float(value) if math.isfinite(value) else None


def ended_batches(facts: Iterable[EventFacts]) -> frozenset[str]:
    """Return the batches that rollbacks ended.

    Args:
        facts: The facts of events of rollbacks.
    """
    return frozenset(batch for one in facts for batch in one.batches)
