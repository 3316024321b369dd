"""What the registry returns: versions, affected models, reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.models.log.saves import Save
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.record import ModelRecord
from airflow_sfx.warehouse.pins.trained import TrainedVersion
from airflow_sfx.warehouse.results import Rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A saved version of a model.

    Args:
        pin: The version.
        at: When it was saved, in UTC.
        producer: Who saved it.
        reason: Why, in the words of the author.
        aliases: The aliases that it has now.
        metrics: The metrics that it was saved with.
        record: Its ``MODEL.json``: flavour, task, digest; None if it cannot be read any more.
    """

    pin: ModelPin
    at: datetime
    producer: Producer
    reason: str = ""
    aliases: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    record: ModelRecord | None = field(default=None, hash=False)

    @classmethod
    def of(cls, name: str, save: Save, aliases: Mapping[str, str]) -> ModelVersion:
        """Return a version by its save.

        Args:
            name: The model's name.
            save: The save.
            aliases: The current version of each alias.
        """
        mine = tuple(sorted(alias for alias, one in aliases.items() if one == save.version))
        record, pin = save.record, ModelPin(name, save.version)
        metrics = record.metrics if record else {}
        return cls(pin, save.at, save.producer, save.reason, mine, metrics, record)


class ModelVersions(Rows[ModelVersion]):
    """Versions of a model, newest first."""

    __slots__ = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with a row for each version, oldest first, and its metrics as columns.

        Returns:
            The frame, whose metrics begin with ``metric_``.
        """
        import pandas as pd

        return pd.DataFrame([_row(one) for one in sorted(self, key=lambda one: one.pin.version)])

    def to_table(self) -> pd.DataFrame:
        """Return the frame of `to_pandas` with a type for each column, also where all is missing.

        Returns:
            The frame, to store as a batch.
        """
        frame = self.to_pandas()
        texts = {name: "string" for name in frame if frame[name].dtype == object}
        return frame.astype(texts)


def _row(one: ModelVersion) -> dict[str, Any]:
    record = one.record
    return {
        "model": one.pin.name,
        "version": one.pin.version,
        "saved_at": one.at,
        "aliases": ", ".join(one.aliases),
        "flavour": record.flavour if record else None,
        "digest": record.digest if record else None,
        "saved_by": one.producer.dag_id or one.producer.user,
        "run_id": one.producer.run_id,
        "reason": one.reason,
        **{f"metric_{name}": float(value) for name, value in one.metrics.items()},
    }


@dataclass(frozen=True, slots=True)
class AffectedModel:
    """A version that was trained on a batch.

    Args:
        pin: The version.
        at: When it was saved, in UTC.
        producer: Who saved it.
        aliases: The aliases that it has now: ``production`` among them means that it is in use.
        saved: Whether it is a version. Otherwise its save did not complete: the writer died, or was
            overtaken by a newer attempt of its task.
    """

    pin: ModelPin
    at: datetime
    producer: Producer
    aliases: tuple[str, ...] = ()
    saved: bool = True

    @classmethod
    def of(cls, one: TrainedVersion) -> AffectedModel:
        """Return a version that the warehouse's index has led to."""
        return cls(ModelPin(one.model, one.version), one.at, one.producer, one.aliases, one.saved)


@dataclass(frozen=True, slots=True)
class ModelVerification:
    """What a check of a version found.

    Args:
        pin: The version.
        problems: One sentence for each problem; empty for a version in order.
        bytes: The size of the artifact.
        golden_rows: How many golden rows were scored; 0 if they could not be.
        deviation: How much the answers to them differ from those of the save.
        inputs: The batches that it was trained on, and that are as they were then.
    """

    pin: ModelPin
    problems: tuple[str, ...]
    bytes: int
    golden_rows: int
    deviation: float
    inputs: tuple[BatchPin, ...]

    @property
    def ok(self) -> bool:
        """Whether the version is as it was saved, and so is its data."""
        return not self.problems
