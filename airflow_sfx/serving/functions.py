"""A portable function that is served, with its aggregates as they are now."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.models.schema.signature import Signature
from airflow_sfx.portability.function import Portable
from airflow_sfx.portability.named import function_named, require_json
from airflow_sfx.serving.served import About, ServedFunction
from airflow_sfx.serving.sources import Source
from airflow_sfx.warehouse.read.aggregate import Aggregate, Reading, fixed

_FIXED = "fixed"
"""The version of a function without aggregates."""
_TRIES = 3
_PLAIN: dict[str, object] = {
    "number": 1.5,
    "integer": 1,
    "boolean": True,
    "text": "a",
    "time": "2016-10-31T12:00:00",
    "date": "2016-10-31",
    "decimal": "1",
}


class FunctionWithNumbers(ServedFunction):
    """A portable function, with its aggregates as they were at one time.

    Args:
        function: The function.
        name: ``MODULE:FUNCTION``.
        version: The version that the aggregates make.
        readings: The aggregates.
    """

    def __init__(
        self, function: Portable, name: str, version: str, readings: Mapping[Aggregate, Reading]
    ) -> None:
        super().__init__(f"{name}/{version}", version)
        self._function, self._named, self._readings = function, name, readings

    @property
    def signature(self) -> Signature:
        """The columns that it takes and gives."""
        return self._function.signature

    @property
    def about(self) -> About:
        """What the OpenAPI document says of it."""
        return About(self._named, self.version, "A portable function", False)

    @property
    def example(self) -> dict[str, object]:
        """A row that it takes."""
        return {
            one.name: one.categories[0]
            if one.categories
            else f"{_PLAIN['time']}Z"
            if "tz=" in one.type
            else _PLAIN[one.kind]
            for one in self.signature.inputs
        }

    def document(self) -> dict[str, object]:
        """Return what ``/metadata`` says of it."""
        return {
            "model": self.name,
            "name": self._named,
            "version": self.version,
            "served_since": self.since.isoformat(),
            "signature": self.signature.to_json(),
            "aggregates": [
                {
                    "name": one.name,
                    "value": _json(found.value),
                    "pin": msgspec.Raw(found.pin.to_json().encode()),
                }
                for one, found in self._readings.items()
            ],
        }

    def read(self, records: Sequence[Any]) -> list[Any]:
        """Return rows as the function gets them; the error names the row."""
        found = []
        for number, record in enumerate(records):
            try:
                found.append(self._function.read(record))
            except SchemaMismatch as error:
                raise SchemaMismatch(
                    f"row {number}: {error}" if len(records) > 1 else str(error)
                ) from error
        return found

    def together(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Return what the function gives for rows, as JSON has it."""
        with fixed(self._readings):
            found = self._function.of_read(rows)
        return [{name: _json(value) for name, value in one.items()} for one in found]

    def warm(self) -> None:
        """Import what the function needs, and measure how long a row takes, without a request."""
        try:
            rows = self.read([self.example])
            self.together(rows)
            self.seconds_per_row = min(self._seconds(rows) for _ in range(_TRIES))
        except Exception:  # of a function that does not like the example: in a thread
            self.seconds_per_row = math.inf

    def _seconds(self, rows: list[Any]) -> float:
        begun = time.perf_counter()  # it may wait, not only compute
        self.together(rows)
        return time.perf_counter() - begun


class FunctionSource(Source):
    """A portable function of a module, whose aggregates move with their tables.

    Args:
        text: ``MODULE:FUNCTION``.

    Raises:
        InvalidName: There is no such module or function, it is not portable, or JSON has no values
            for one of its columns.
    """

    def __init__(self, text: str) -> None:
        self.name, self._function = text, function_named(text)
        require_json(self._function, outputs=True)
        self.moves = bool(self._function.aggregates)

    def newest(self) -> str:
        """Return the version that the current batches make, without reading them."""
        return _version([one.newest() for one in self._function.aggregates])

    def served(self, version: str) -> FunctionWithNumbers:
        """Compute the aggregates of the batches that are current now, if others than before."""
        readings = {one: one.computed(one.newest()) for one in self._function.aggregates}
        version = _version([one.pin for one in readings.values()])
        made = FunctionWithNumbers(self._function, self.name, version, readings)
        made.warm()
        if len(self._function.aggregates) > len(readings):  # its code did not show which it reads
            self.moves = True
            return self.served(version)
        return made


def _version(pins: Sequence[BatchPin]) -> str:
    text = "\n".join(one.to_json() for one in pins)
    return hashlib.sha256(text.encode()).hexdigest()[:12] if pins else _FIXED


def _json(value: Any) -> Any:
    """Return a value as JSON has it; an infinite number as text, as models have it."""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
