"""How far streams have been consumed into a table.

A position is the sequence number of the last record of a shard that the table has. A log entry
carries the positions of all shards, so that they are found with the log's end, and a commit demands
the positions that its records follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.validation import listed, named

Positions = Mapping[str, Mapping[str, str]]
"""The sequence number of the last consumed record by stream and shard."""

Ranges = Mapping[str, Mapping[str, tuple[str, str]]]
"""The consumed records by stream and shard: after the first number, up to the second one."""

_DIGITS = re.compile("[0-9]{1,128}", re.ASCII)
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Consumed:
    """The records of a stream that a commit adds to a table, with the positions that it demands.

    Sequence numbers are text of digits and are compared as whole numbers.

    Args:
        stream: The stream, such as ``kinesis:clicks``.
        shards: By shard, the number after which its records begin, empty for a shard of which the
            table has none yet, and the number of the last one.
        forget: Shards that the stream no longer has, and whose positions are removed.

    Raises:
        InvalidName: A name is not text or is blank, a number has other characters than digits, or a
            range is empty.

    Example:
        >>> Consumed("kinesis:clicks", {"shardId-000000000000": ("", "17")}).stream
        'kinesis:clicks'
    """

    stream: str
    shards: Mapping[str, tuple[str, str]] = field(hash=False)
    forget: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _name(self.stream, "stream")
        if not isinstance(self.shards, Mapping):
            raise InvalidName(
                f"shards={self.shards!r:.120} is not a mapping: pass the range of each shard, as in"
                ' shards={"0": ("", "17")}'
            )
        ranges = {_name(shard, "shard"): _range(shard, it) for shard, it in self.shards.items()}
        object.__setattr__(self, "shards", ranges)
        gone = tuple(_name(shard, "forget") for shard in listed(self.forget, "forget"))
        object.__setattr__(self, "forget", gone)
        if not ranges and not gone:
            raise InvalidName(
                f"the range of {self.stream} has no shards: pass those of the consumed records"
            )
        if both := ranges.keys() & set(gone):
            raise InvalidName(
                f"the shard {min(both)!r} is consumed and forgotten: leave it out of forget="
            )

    @property
    def ranges(self) -> Ranges:
        """The consumed records by stream and shard."""
        return {self.stream: self.shards} if self.shards else {}

    def conflicts(self, positions: Positions) -> tuple[str, ...]:
        """Return the shards of which the table has another position than the range demands.

        Args:
            positions: The table's positions.

        Example:
            >>> consumed = Consumed("kinesis:clicks", {"0": ("16", "17"), "1": ("", "4")})
            >>> consumed.conflicts({"kinesis:clicks": {"0": "17"}})
            ('0',)
        """
        have = positions.get(self.stream, {})
        return tuple(
            shard
            for shard, (after, _) in self.shards.items()
            if _number(have.get(shard, "")) != _number(after)
        )

    def advance(self, positions: Positions) -> Positions:
        """Return a table's positions after the records were added.

        Args:
            positions: The positions before.

        Example:
            >>> consumed = Consumed("kinesis:clicks", {"0": ("16", "17")}, forget=("1",))
            >>> consumed.advance({"kinesis:clicks": {"0": "16", "1": "4"}})
            {'kinesis:clicks': {'0': '17'}}
        """
        kept = {
            shard: at
            for shard, at in positions.get(self.stream, {}).items()
            if shard not in self.forget
        }
        now = {**kept, **{shard: to for shard, (_, to) in self.shards.items()}}
        moved = {**positions, self.stream: now}
        return {stream: shards for stream, shards in moved.items() if shards}


def check_positions(positions: Positions, consumed: Ranges) -> None:
    """Check positions and ranges that were read.

    Raises:
        InvalidName: A number has other characters than digits, or a range is empty.
    """
    for shards in positions.values():
        _sequences(shards.values())
    for ranges in consumed.values():
        for shard, one in ranges.items():
            _range(shard, one)


def _sequences(texts: Iterable[str]) -> None:
    for text in texts:
        if not isinstance(text, str) or not _DIGITS.fullmatch(text):
            raise InvalidName(
                f"{text!r:.140} is not a sequence number: it is text of up to 128 digits, as in"
                " '17'"
            )


def _range(shard: str, one: tuple[str, str]) -> tuple[str, str]:
    try:
        after, to = one if isinstance(one, tuple | list) else ()
    except ValueError:
        raise InvalidName(
            f"{one!r:.140} is not a range of the shard {shard!r}: pass the number after which its"
            ' records begin and that of the last one, as in ("", "17")'
        ) from None
    _sequences([to] if after == "" else [after, to])
    if _number(to) <= _number(after):
        raise InvalidName(
            f"the range of the shard {shard!r} ends at {to}, which is not after {after}: leave out"
            " shards without records"
        )
    return after, to


def _number(sequence: str) -> int:
    """Return a sequence number; -1 for the place before the first record."""
    return int(sequence) if sequence else -1


def _name(text: str, argument: str) -> str:
    if len(named(text, argument)) > _LONGEST:
        raise InvalidName(
            f"{argument}={text!r:.80} has {len(text)} characters: a name has at most {_LONGEST}"
        )
    return text
