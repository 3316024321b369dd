"""Producers: the task instance, user, host and package versions behind a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.validation import storable_text


@dataclass(frozen=True, slots=True)
class Producer:
    """The author of a change: notebooks have a user and a host, tasks all parts.

    Args:
        dag_id: The DAG.
        run_id: The DAG run.
        task_id: The task.
        map_index: The index of a mapped task instance, or -1 for a task that is not mapped.
        try_number: The attempt, from 1.
        attempt_id: The attempt's own ID (Airflow's task instance ID, a UUIDv7, which sorts by
            time).
        logical_date: The run's logical date, ISO 8601 in UTC, or None for partitioned and
            asset-triggered runs.
        partition_key: The run's partition key, or None.
        run_type: ``scheduled``, ``manual``, ``backfill`` or ``asset_triggered``.
        backfill_id: The run's backfill: its number in Airflow, or the name in the run's
            configuration.
        reprocess: Which existing runs the backfill repeats: ``none``, ``failed`` or
            ``completed``.
        dag_version: The DAG version's ID.
        user: The operating system's user, or the person who asked for a rollback.
        host: The machine's name.
        packages: Versions that matter for what was written, such as ``{"pyarrow": "22.0.0"}``.
        image: The image of the container that wrote, as the job named it.
        peak_memory: The most memory that the job had used when it stored its batch, in bytes.

    Example:
        >>> Producer(dag_id="nightly", run_id="r1", task_id="load", try_number=2).attempt
        ('nightly/r1/load/-1', '000002')
        >>> Producer(user="ada").attempt is None
        True
    """

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1
    try_number: int | None = None
    attempt_id: str | None = None
    logical_date: str | None = None
    partition_key: str | None = None
    run_type: str | None = None
    backfill_id: str | None = None
    reprocess: str | None = None
    dag_version: str | None = None
    user: str | None = None
    host: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    image: str | None = None
    peak_memory: int | None = None

    @property
    def attempt(self) -> tuple[str, str] | None:
        """The task instance's name and a sortable attempt, or None outside a task.

        Airflow counts tries from 1 again when a run is deleted and created again under the same
        ID, so the attempt's own ID is used before its number.
        """
        if self.dag_id is None or self.run_id is None or self.task_id is None:
            return None
        order = self.attempt_id or (None if self.try_number is None else f"{self.try_number:06d}")
        return (
            None
            if order is None
            else (f"{self.dag_id}/{self.run_id}/{self.task_id}/{self.map_index}", order)
        )

    def retries(self, other: Producer) -> bool:
        """Return whether this is a later attempt of the other producer's task instance.

        Args:
            other: The producer of an earlier change.

        Returns:
            Whether it is; always False outside a task.

        Example:
            >>> task = {"dag_id": "nightly", "run_id": "r1", "task_id": "load"}
            >>> first, second = (Producer(**task, try_number=number) for number in (1, 2))
            >>> second.retries(first), first.retries(second), second.retries(Producer(user="ada"))
            (True, False, False)
        """
        theirs, mine = other.attempt, self.attempt
        if theirs is None or mine is None or theirs[0] != mine[0]:
            return False
        # An ID and a number cannot be compared.
        return len(theirs[1]) == len(mine[1]) and theirs[1] < mine[1]

    def check(self) -> None:
        """Check that every part can be stored.

        Raises:
            InvalidName: One is of another type.

        Example:
            >>> Producer(dag_id="nightly", try_number=2).check()
        """
        for name in _TEXTS:
            value = getattr(self, name)
            if value is not None:
                storable_text(value, f"{name}=")
        for name in _NUMBERS:
            number = getattr(self, name) or 0
            if not isinstance(number, int):
                raise InvalidName(
                    f"{name}={number!r:.80} is {type(number).__name__}, not a whole number"
                )
        if not isinstance(self.packages, Mapping):
            raise InvalidName(
                f"packages={self.packages!r:.80} is not a mapping of names to versions"
            )
        for name, version in self.packages.items():
            storable_text(name, "a name in packages=")
            storable_text(version, f"packages=, of {name}: ")

    def to_json(self) -> dict[str, object]:
        """Return the members of the JSON object, without those that are absent.

        Returns:
            The object.

        Example:
            >>> Producer(user="ada").to_json()
            {'user': 'ada'}
        """
        members = {name: getattr(self, name) for name in _MEMBERS}
        members["packages"] = dict(self.packages)
        return {
            name: value
            for name, value in members.items()
            if value not in (None, {}) and (name, value) != _UNMAPPED
        }


_MEMBERS = tuple(member.name for member in fields(Producer))
_NUMBERS = ("map_index", "try_number", "peak_memory")
_TEXTS = tuple(name for name in _MEMBERS if name not in (*_NUMBERS, "packages"))
_UNMAPPED = ("map_index", -1)
