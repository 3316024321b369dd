"""What answers requests: a version of a model, or a function with its aggregates."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_sfx.models.describe.golden import INPUT
from airflow_sfx.models.model import Model

if TYPE_CHECKING:
    from airflow_sfx.models.flavours.base import Answers
    from airflow_sfx.models.schema.rows import Unseen
    from airflow_sfx.models.schema.signature import Signature


@dataclass(frozen=True, slots=True)
class About:
    """What the OpenAPI document says of what is served.

    Args:
        title: Its name.
        version: Its version.
        description: What it is.
        takes_unseen: Whether requests may ask that unknown categories become missing.
    """

    title: str
    version: str
    description: str
    takes_unseen: bool


class Served(ABC):
    """What is served now; it does not change while it is.

    Args:
        name: Its name with its version, which every answer has.
        version: Its version.

    Attributes:
        since: When it was loaded.
        seconds_per_row: How long a row takes: an upper bound for a small request.
    """

    seconds_per_row: float = 0.0

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version = name, version
        self.header = (b"x-sfx-model", name.encode())
        self.since = datetime.now(UTC)

    @property
    @abstractmethod
    def signature(self) -> Signature:
        """The columns that it takes and gives."""

    @property
    @abstractmethod
    def about(self) -> About:
        """What the OpenAPI document says of it."""

    @property
    @abstractmethod
    def example(self) -> dict[str, object]:
        """A row that it takes."""

    @abstractmethod
    def document(self) -> dict[str, object]:
        """Return what ``/metadata`` says of it."""


class ServedFunction(Served):
    """A function of rows, which may get those of several requests at once."""

    @abstractmethod
    def read(self, records: Sequence[Any]) -> list[Any]:
        """Return rows as the function gets them.

        Raises:
            SchemaMismatch: A record does not fit.
        """

    @abstractmethod
    def together(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Return what the function gives for rows that `read` has returned."""


class ServedModel(Served):
    """A loaded version, whose golden rows were checked.

    Args:
        model: The model.

    Attributes:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(str(model), model.version)
        self.model = model
        begun = time.thread_time()  # not the time that other processes have taken
        rows = model.check().rows
        self.seconds_per_row = (time.thread_time() - begun) / max(1, rows)

    @property
    def signature(self) -> Signature:
        """The columns that it takes and gives."""
        return self.model.signature

    @property
    def about(self) -> About:
        """What the OpenAPI document says of it."""
        task = f"A {self.model.record.task} model"
        return About(self.model.name, self.version, task, True)

    @property
    def one_at_a_time(self) -> bool:
        """Whether only one thread may use it: libraries' own models need not be thread-safe."""
        return self.model.record.scorer == "native"

    def answers(self, rows: object, unseen: Unseen) -> Answers:
        """Return the answers for rows; see `Model.answers`."""
        return self.model.answers(rows, unseen=unseen)

    @cached_property
    def example(self) -> dict[str, object]:
        """A golden row."""
        columns = msgspec.json.decode(self.model.entries[INPUT], type=dict[str, list[object]])
        return {name: values[0] for name, values in columns.items()}

    def document(self) -> dict[str, object]:
        """Return what ``/metadata`` says of the version."""
        model, record = self.model, self.model.record
        return {
            "model": self.name,
            "name": model.name,
            "version": model.version,
            "served_since": self.since.isoformat(),
            "flavour": record.flavour,
            "task": record.task,
            "scorer": record.scorer,
            "target": record.target or None,
            "digest": record.digest,
            "metrics": record.metrics,
            "libraries": record.libraries,
            "signature": model.signature.to_json(),
            "inputs": {
                role: msgspec.Raw(pin.to_json().encode()) for role, pin in model.inputs.items()
            },
        }
