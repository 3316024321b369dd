"""The calls of a portable function: a batch, one row, records of a stream."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.validation import shown, whole
from airflow_sfx.models.schema.signature import Output, Signature
from airflow_sfx.portability.reads import functions_of, used_by
from airflow_sfx.portability.schema import Column
from airflow_sfx.warehouse.read.aggregate import Aggregate, Reading, Readings, with_pins

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.portability.frames import FrameBuilder
    from airflow_sfx.portability.results import ResultReader

Function = Callable[["pd.DataFrame"], Any]
_STREAMED = 500


@dataclass(frozen=True, slots=True)
class _Parts:
    """What turns rows into frames and results into rows."""

    given: FrameBuilder
    results: ResultReader
    taken: ResultReader


class PortableCalls:
    """A function of rows with declared columns, and the ways to call it.

    It may be used from several threads, if the function may.

    Args:
        function: The function: it gets a DataFrame, and returns one with a row for each.
        inputs: The columns that it takes.
        outputs: The columns that it returns.
    """

    # Not in its __dict__, which decorators such as @task.batch copy over their own.
    __slots__ = ("__dict__", "__weakref__", "_made", "_recorded", "function", "inputs", "outputs")

    def __init__(
        self, function: Function, inputs: tuple[Column, ...], outputs: tuple[Column, ...]
    ) -> None:
        functools.update_wrapper(self, function)
        self.function, self.inputs, self.outputs = function, inputs, outputs
        self._recorded: dict[Aggregate, None] = {}
        self._made: _Parts | None = None

    @property
    def _parts(self) -> _Parts:
        if self._made is None:
            self._made = self._build()
        return self._made

    def _build(self) -> _Parts:
        """Import pandas, which a program that only declares the function does not need."""
        from airflow_sfx.portability.frames import FrameBuilder
        from airflow_sfx.portability.results import ResultReader

        return _Parts(
            FrameBuilder(self.inputs),
            ResultReader(self.name, self.outputs),
            ResultReader(self.name, self.inputs),
        )

    @property
    def name(self) -> str:
        """The function's name."""
        return str(getattr(self.function, "__name__", "function"))

    @property
    def signature(self) -> Signature:
        """The columns that it takes and gives, as those of a model."""
        return Signature(
            tuple(one.feature for one in self.inputs),
            tuple(
                Output(one.name, one.feature.type, one.feature.categories or (), one.feature.kind)
                for one in self.outputs
            ),
        )

    @property
    def aggregates(self) -> tuple[Aggregate, ...]:
        """The aggregates that it names, and those that it has read."""
        used = [one.value for part in functions_of(self.function) for one in used_by(part)]
        named = [one for one in used if isinstance(one, Aggregate)]
        return tuple(dict.fromkeys((*named, *self._recorded)))

    @property
    def pins(self) -> tuple[BatchPin, ...]:
        """The batches of its aggregates, as they are now."""
        return tuple(dict.fromkeys(one.pin for one in self.aggregates))

    def follow(self) -> bool:
        """Compute the aggregates anew whose tables have other batches now.

        Returns:
            Whether any has.
        """
        moved = [one.follow() for one in self.aggregates]  # all of them
        return any(moved)

    def __call__(self, rows: Any) -> pd.DataFrame:
        """Run the function on a batch.

        Args:
            rows: A pandas, polars or Arrow frame. Columns that the function does not take are left
                out.

        Returns:
            The declared columns, a row for each row, with the index of a pandas frame. A batch that
            is stored from it has the pins of the aggregates among its inputs.

        Raises:
            SchemaMismatch: A column is missing, or a value does not fit, of the rows or of what the
                function returned.
        """
        frame = pandas_of(rows)
        given = self._parts.given.of_frame(frame)
        result, read = self._called(given)
        found = self._parts.results.frame(result, given)
        found.index = frame.index
        with_pins(found, read)
        return found

    def online(self, /, **row: Any) -> dict[str, Any]:
        """Run the function on one row.

        Args:
            row: The values by column; those of JSON will do. A missing value is None.

        Returns:
            The declared columns. A missing value is None.

        Raises:
            SchemaMismatch: A column is missing, or a value does not fit.
        """
        return self.of_row(row)

    def of_row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Run the function on one row, as `online` does, whose columns may have any name.

        Args:
            row: The values by column.

        Returns:
            The declared columns.

        Raises:
            SchemaMismatch: A column is missing, or a value does not fit.
        """
        given = self._parts.given.of_values(self.read(row))
        return self._parts.results.row(self._called(given)[0], given)

    def of_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run the function on rows together, as a batch, and return rows as `online` does.

        Args:
            rows: The rows: values by column.

        Returns:
            The declared columns of each.

        Raises:
            SchemaMismatch: A row lacks a column, or has a value that does not fit.
        """
        return self.of_read([self.read(one) for one in rows])

    def of_read(self, rows: list[list[Any]]) -> list[dict[str, Any]]:
        """Run the function on rows that `read` has returned, as `of_rows` does."""
        return self._parts.results.rows(self.frame_of_read(rows))

    def frame_of_read(self, rows: Sequence[list[Any]]) -> pd.DataFrame:
        """Run the function on rows that `read` has returned, and return a frame, as of a batch."""
        given = self._parts.given.of_rows(rows)
        result, read = self._called(given)
        found = self._parts.results.frame(result, given)
        with_pins(found, read)
        return found

    def as_rows(self, rows: Any) -> list[dict[str, Any]]:
        """Return a frame's rows, or records, as the function gets them.

        Raises:
            SchemaMismatch: A column is missing, or a value does not fit.
        """
        parts = self._parts
        if isinstance(rows, list):
            frame = parts.given.of_rows([self.read(one) for one in rows])
        else:
            frame = parts.given.of_frame(rows)
        return parts.taken.rows(frame)

    def as_results(self, rows: Any) -> list[dict[str, Any]]:
        """Return the columns that the function gives, of a frame that has them, as rows.

        Raises:
            SchemaMismatch: A column is missing, or a value does not fit.
        """
        return self._parts.results.rows(self._parts.results.builder.of_frame(rows))

    def stream(
        self, records: Iterable[Mapping[str, Any]], *, batch: int = _STREAMED
    ) -> Iterator[dict[str, Any]]:
        """Run the function on records as they come, some at a time.

        Args:
            records: The records: values by column, as for `online`.
            batch: How many records the function gets at once.

        Yields:
            The declared columns for each record, in order. Those before a record that fails are
            yielded first.

        Raises:
            SchemaMismatch: A record lacks a column, or has a value that does not fit. The message
                has its number, from 0.
        """
        if whole(batch, "batch") < 1:
            raise InvalidName(f"batch={batch} is not a number of records: pass one from 1")
        return self._streamed(iter(records), batch)

    def _streamed(
        self, records: Iterator[Mapping[str, Any]], batch: int
    ) -> Iterator[dict[str, Any]]:
        number, failed = 0, None
        while failed is None:
            rows: list[list[Any]] = []
            for record in records:
                try:
                    rows.append(self.read(record))
                except SchemaMismatch as error:
                    failed = SchemaMismatch(f"record {number + len(rows)}: {error}")
                    break
                if len(rows) == batch:
                    break
            if rows:
                yield from self._answered(rows)
            elif failed is None:
                return
            number += len(rows)
        raise failed

    def read(self, record: object) -> list[Any]:
        """Return the values of a record as the function gets them.

        Raises:
            SchemaMismatch: It lacks a column, or has a value that does not fit.
        """
        if not isinstance(record, Mapping):
            raise SchemaMismatch(
                f"it is {shown(record)}: pass records as mappings of columns to values"
            )
        return self._parts.given.read(record)

    def _answered(self, rows: list[list[Any]]) -> Iterator[dict[str, Any]]:
        """Yield the results of rows; one by one if the function fails on them together."""
        given = self._parts.given.of_rows(rows)
        try:
            found = self._parts.results.frame(self._called(given)[0], given)
        except Exception:
            if len(rows) == 1:
                raise
            for row in rows:
                yield from self._answered([row])
            return
        yield from self._parts.results.rows(found)

    def _called(self, given: pd.DataFrame) -> tuple[Any, dict[Aggregate, Reading]]:
        """Return what the function returns, and the aggregates that it read."""
        with Readings() as read:
            result = self.function(given)
        if read:
            self._recorded.update(dict.fromkeys(read))
        return result, read

    def __reduce__(self) -> str:
        """Pickle it as a function, by its name."""
        return str(self.__qualname__)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return f"<portable function {self.name}>"


def pandas_of(rows: Any) -> pd.DataFrame:
    """Return a frame of any library as pandas'."""
    import pandas as pd

    if isinstance(rows, pd.DataFrame):
        return rows
    from airflow_sfx.frames.inputs import to_source
    from airflow_sfx.frames.outputs import to_output

    source = to_source(rows)
    if source.table is None:
        raise SchemaMismatch(
            "the rows are a stream, and the function needs a frame in memory: pass one frame at a"
            " time"
        )
    return to_output(source.table, "pandas")
