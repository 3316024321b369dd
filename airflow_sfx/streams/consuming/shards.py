"""The order of shards: a shard is read after those that it continues."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from airflow_sfx.streams.source import Shard, Source, Start, expired


class ShardOrder:
    """Knows which shards are finished: closed, and in the table to their end.

    Args:
        source: The stream.
        start: Where shards without a position begin.
    """

    def __init__(self, source: Source, start: Start) -> None:
        self._source, self._start = source, start
        self.finished: set[str] = set()

    def ready(
        self,
        shards: Sequence[Shard],
        mine: Collection[str],
        reading: Collection[str],
        positions: Mapping[str, str],
    ) -> tuple[set[str], bool]:
        """Return the shards that can be read now, and whether others wait for their parents.

        Args:
            shards: All shards that the stream lists. A parent that it lists no more is finished.
            mine: The shards of this consumer.
            reading: Those that it reads already.
            positions: The positions of the table, read now.
        """
        parents_of = _listed_parents(shards)
        found: set[str] = set()
        waits = False
        for one in shards:
            if one.id not in mine or one.id in self.finished:
                continue
            if one.id in reading or all(
                self._is_finished(parent, parents_of, reading, positions)
                for parent in parents_of[one.id]
            ):
                found.add(one.id)
            else:
                waits = True
        for one in shards:
            if one.id in found - set(reading) and not positions.get(one.id):
                self._check_parents(one, shards, positions)
        return found, waits

    def _check_parents(
        self, shard: Shard, shards: Sequence[Shard], positions: Mapping[str, str]
    ) -> None:
        """Raise, or log, that the last records of a shard may have gone with it.

        A shard of which the table has records was read to its end if this consumer did, or if the
        table has records of one that continues it.
        """
        listed = {one.id for one in shards}
        for parent in set(shard.parents) - listed - self.finished:
            read_on = any(parent in one.parents and positions.get(one.id) for one in shards)
            if parent in positions and not read_on:
                expired(
                    self._source.stream,
                    parent,
                    positions[parent],
                    f"the stream no longer lists that shard, and nothing of {shard.id}, which"
                    " continues it, was read",
                    self._source.on_expired,
                )
                self.finished.add(parent)

    def _is_finished(
        self,
        shard: str,
        parents_of: Mapping[str, Sequence[str]],
        reading: Collection[str],
        positions: Mapping[str, str],
    ) -> bool:
        """Return whether nothing of a shard, or of those before it, follows the positions.

        A shard may be closed without records while those that it continues still have some.
        """
        if shard in self.finished:
            return True
        if shard in reading or not all(
            self._is_finished(parent, parents_of, reading, positions)
            for parent in parents_of[shard]
        ):
            return False
        reader = self._source.reader(shard, positions.get(shard, ""), self._start)
        try:
            chunk = reader.read(1)
        finally:
            reader.close()
        if chunk.ended and not chunk.records:
            self.finished.add(shard)
        return shard in self.finished


def _listed_parents(shards: Sequence[Shard]) -> dict[str, list[str]]:
    listed = {one.id for one in shards}
    return {one.id: [parent for parent in one.parents if parent in listed] for one in shards}
