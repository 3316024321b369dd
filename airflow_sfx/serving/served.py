"""A version that answers requests, with what the server needs to know of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from airflow_sfx.models.describe.golden import INPUT
from airflow_sfx.models.model import Model

if TYPE_CHECKING:
    from airflow_sfx.models.flavours.base import Answers
    from airflow_sfx.models.schema.rows import Unseen


class Served:
    """A loaded version, whose golden rows were checked.

    Args:
        model: The model.

    Attributes:
        name: The version, such as ``delays/20161101002256``, which every answer names.
        model: The model.
        since: When it was loaded.
        seconds_per_row: How long its golden rows took, each: an upper bound for a small request.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.name = model, str(model)
        self.header = (b"x-sfx-model", self.name.encode())
        self.since = datetime.now(UTC)
        begun = time.thread_time()  # not the time that other processes have taken
        rows = model.check().rows
        self.seconds_per_row = (time.thread_time() - begun) / max(1, rows)

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
