"""Samples of answered rows, written back as batches, to compute drift from later.

A server keeps a uniform sample of each hour, and writes it at intervals, when the hour is over and
when it stops, into a partition of its own: hour, version of the model, and a name that the server
chose when it started. So servers never replace what another one wrote, and each write of an hour
replaces the one before. A server that is killed loses what it answered since the last write.
"""

from __future__ import annotations

import logging
import random
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, SfxError, WarehouseUnavailable
from airflow_sfx.models.flavours.base import require
from airflow_sfx.serving.background import Answered, Background

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.core.table import TableRef
    from airflow_sfx.models.schema.signature import Feature
    from airflow_sfx.serving.metrics import Metrics
    from airflow_sfx.serving.served import ServedModel
    from airflow_sfx.warehouse.warehouse import Warehouse

KEYS = ("answered_hour", "model_version", "model_server")
"""The partition keys of the table."""
ADDED = ("prediction", "probability", "answered_at")
"""The columns beside those that the model takes."""
_MOST_WAITING = 24
_TICK = 5.0
_DTYPES = {"text": "str", "integer": "Int64", "number": "float64", "boolean": "boolean"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row with its answer."""

    values: dict[str, Any]
    prediction: Any
    probability: list[float] | None
    at: datetime


@dataclass(slots=True)
class _Sample:
    """A uniform sample of the rows that a version answered in an hour."""

    hour: str
    served: ServedModel
    seen: int = 0
    rows: list[_Row] = field(default_factory=list)
    stored: int = 0
    """How many rows had been seen when it was last written."""


class Samples(Background):
    """Writes samples of answered rows into a table.

    Args:
        warehouse: The warehouse.
        table: The table.
        rows: The most rows of a version and an hour.
        seconds: How often the sample of an hour that is not over is written, in seconds.
        metrics: Where written rows are counted.

    Raises:
        ModelRefused: pandas or pyarrow is not installed.
    """

    def __init__(
        self, warehouse: Warehouse, table: TableRef, rows: int, seconds: float, metrics: Metrics
    ) -> None:
        for module in ("pandas", "pyarrow"):  # now: not while requests are waiting
            require(module, module, "writing samples of predictions")
        super().__init__()
        self._warehouse, self._table, self._rows = warehouse, table, rows
        self._metrics = metrics
        self.tick = min(_TICK, seconds)
        self._seconds, self._next = seconds, time.monotonic() + seconds
        self._server = secrets.token_hex(4)
        self._open: dict[tuple[str, str], _Sample] = {}
        self._due: list[_Sample] = []

    def process(self, answered: Answered) -> None:
        """Add the rows of a request to the sample of its hour."""
        hour = hour_of(answered.at)
        sample = self._open.get((hour, answered.served.name))
        if sample is None:
            sample = _Sample(hour, answered.served)
            self._open[hour, answered.served.name] = sample
        for number in range(len(answered.answers.prediction)):
            sample.seen += 1
            place = len(sample.rows)
            if place >= self._rows:
                place = random.randrange(sample.seen)  # noqa: S311  a sample, no secret
            if place < len(sample.rows):
                sample.rows[place] = _row(answered, number)
            elif place < self._rows:
                sample.rows.append(_row(answered, number))
        self.idle()

    def idle(self) -> None:
        """Write the samples of hours that are over, and the others if it is time."""
        now = hour_of(datetime.now(UTC))
        self._write_due([key for key in self._open if key[0] < now])
        if time.monotonic() >= self._next:
            for sample in self._open.values():
                if sample.seen > sample.stored:
                    self._stored(sample)
            self._next = time.monotonic() + self._seconds

    def last(self) -> None:
        """Write all samples."""
        self._write_due(list(self._open))

    def _write_due(self, keys: list[tuple[str, str]]) -> None:
        self._due += [self._open.pop(key) for key in keys]
        due = [one for one in self._due[-_MOST_WAITING:] if one.seen > one.stored]
        self._due = [sample for sample in due if not self._stored(sample)]

    def _stored(self, sample: _Sample) -> bool:
        """Write a sample; return whether it need not be tried again."""
        try:
            self._write(sample)
        except WarehouseUnavailable as error:
            self._metrics.count("sample_failures")
            _log.warning("The sample of %s waits: %s", sample.hour, error)
            return False
        except SfxError as error:
            self._metrics.count("sample_failures")
            _log.warning("The sample of %s cannot be stored: %s", sample.hour, error)
        return True

    def _write(self, sample: _Sample) -> None:
        check_columns(sample.served)
        self._warehouse.store_dataframe(
            _frame(sample),
            self._table.database,
            self._table.table,
            [sample.hour, sample.served.version, self._server],
            partition_keys=list(KEYS),
            reason=f"{len(sample.rows)} of {sample.seen} rows that {sample.served.name} answered",
        )
        more = len(sample.rows) - min(sample.stored, self._rows)
        self._metrics.count("sampled_rows", more, model=sample.served.name)
        sample.stored = sample.seen


def check_columns(served: ServedModel) -> None:
    """Raise an error if a column of a model has the name of one that is added.

    Args:
        served: The version.

    Raises:
        InvalidName: It has.
    """
    taken = [name for name in (*ADDED, *KEYS) if name in served.model.signature.names]
    if taken:
        raise InvalidName(
            f"the model {served.name} takes a column {taken[0]!r}, and predictions that are written"
            " back have one of that name: serve it without --log"
        )


def hour_of(moment: datetime) -> str:
    """Return the hour of a time, as its partition has it.

    Example:
        >>> hour_of(datetime(2016, 11, 1, 12, 30, tzinfo=UTC))
        '2016110112'
    """
    return f"{moment.astimezone(UTC):%Y%m%d%H}"


def _row(answered: Answered, number: int) -> _Row:
    names = answered.served.model.signature.names
    rows: Any = answered.rows
    values = (
        {name: rows[number][name] for name in names}
        if isinstance(rows, list)
        else {name: _value(rows[name][number]) for name in names}
    )
    found = answered.answers
    probability = None if found.probability is None else found.probability[number].tolist()
    return _Row(values, found.prediction[number : number + 1].tolist()[0], probability, answered.at)


def _value(value: Any) -> Any:
    return value.as_py() if hasattr(value, "as_py") else value


def _frame(sample: _Sample) -> pd.DataFrame:
    """Return a sample as a frame, with categories that the model does not know."""
    import pandas as pd

    from airflow_sfx.models.schema.rows import columns_of, frame_of
    from airflow_sfx.models.schema.signature import Signature

    signature = Signature(tuple(map(_as_sent, sample.served.model.signature.inputs)), ())
    frame = frame_of(signature, columns_of(signature, [one.values for one in sample.rows]))
    prediction, probability, at = ADDED
    frame[prediction] = pd.Series([one.prediction for one in sample.rows])
    if sample.rows[0].probability is not None:
        frame[probability] = pd.Series([one.probability for one in sample.rows])
    frame[at] = pd.to_datetime([one.at for one in sample.rows], utc=True)
    return frame


def _as_sent(feature: Feature) -> Feature:
    """Return a column that may have any category."""
    if feature.categories is None:
        return feature
    return replace(feature, categories=None, dtype=_DTYPES[feature.kind], nullable=True)
