"""Pin batches, so that the later tasks of a run read exactly these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.anchors import anchor, configured_until
from airflow_sfx.hooks.templates import checks_names, is_settled
from airflow_sfx.operators.base.operators import TableOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin

At: TypeAlias = Literal["current", "start", "as_of_logical_date"]
"""What is pinned: what is current when the task first runs, was current when its run began, or was
current at its logical date."""

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "none", "")


class PinBatchesOperator(TableOperator, BaseOperator):
    """Pins and holds batches for the rest of the run.

    A cleared task pins the same ones again, unless ``repin`` or `Warehouse.repin` asks for new
    ones: the hold is recorded beside the table with the run and the task, and outlives the XCom.
    The XCom is the pin; of several tables it is a dictionary of pins, and each is also an XCom of
    its own under its name: ``pins.output["flights"]``.

    Args:
        table: ``database.table`` (templated); not with ``tables``.
        tables: Several tables by name, for a pin set (templated).
        partitions: The partitions to pin, of each table (templated), or None for all.
        at: ``current``, ``start`` (as it was when the run began) or ``as_of_logical_date``.
        repin: Whether to pin anew if this task of this run has pinned before (templated, so that a
            parameter of the run can decide).
        hold_for: How long from now retention respects the batches, or None for ever. The default is
            the option ``hold_days`` of the section ``[sfx]`` in Airflow's configuration: 90 days.
        reason: The reason, shown with the holds (templated).
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> pins = PinBatchesOperator(
        ...     task_id="pins",
        ...     tables={"flights": "nyc.flights", "weather": "nyc.weather"},
        ...     partitions=["{{ ds_nodash }}"],
        ... )
        >>> pins.output["flights"].key
        'flights'
    """

    names = (*TableOperator.names, "tables")
    template_fields: Sequence[str] = (*names, "repin")

    @checks_names
    def __init__(
        self,
        *,
        table: str | None = None,
        tables: Mapping[str, str] | None = None,
        partitions: Sequence[Any] | str | None = None,
        at: At = "current",
        repin: bool | str = False,
        hold_for: timedelta | Literal["configured"] | None = "configured",
        reason: str = "",
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            table=table, partitions=partitions, reason=reason, sfx_conn_id=sfx_conn_id, **kwargs
        )
        if (table is None) == (tables is None):
            raise InvalidName(
                f"the task {self.task_id} must have table= or, for a pin set, tables=, but not both"
            )
        if at not in At.__args__:  # type: ignore[attr-defined]
            raise InvalidName(
                f"the task {self.task_id} has at={at!r}: it is current, start or as_of_logical_date"
            )
        self.tables = dict(tables) if tables is not None else None
        for one in filter(is_settled, (self.tables or {}).values()):
            TableRef.parse(one)
        self.multiple_outputs = tables is not None
        self.at = at
        self.repin = repin
        self.hold_for = hold_for

    def run(self, context: Context) -> BatchPin | dict[str, BatchPin]:
        """Pin the batches, or return what this task pinned before.

        Args:
            context: The task's context.

        Returns:
            The pin; of several tables, pins by the names in ``tables``.

        Raises:
            InvalidName: A table or a value breaks a rule, or the run has no such moment.
            PartitionNotFound: A partition has no batch, or had none at that time.
        """
        partitions = self.named_partitions()
        if self.tables is None:
            self.linked = self._pin(self.named_table(), partitions, context)
            return self.linked
        named = {name: TableRef.parse(table) for name, table in self.tables.items()}
        pins = {name: self._pin(ref, partitions, context) for name, ref in named.items()}
        self.linked = next(iter(pins.values()), None)
        return pins

    def _pin(self, ref: TableRef, partitions: Sequence[Any] | None, context: Context) -> BatchPin:
        producer = self.producer(context)
        hold = anchor(
            self.warehouse(),
            producer,
            ref,
            partitions,
            as_of=_moment(self.at, context, self.task_id),
            until=self._until(),
            renew=_is_true(self.repin, self.task_id),
            reason=self.reason,
        )
        again = hold.producer.attempt != producer.attempt
        self.log.info(
            "%s %s, until %s",
            "Pinned before by this task:" if again else "Pinned",
            hold.pin,
            hold.until,
        )
        return hold.pin

    def _until(self) -> datetime | None:
        if self.hold_for is None:
            return None
        if self.hold_for == "configured":
            return configured_until()
        return datetime.now(UTC) + self.hold_for


def _moment(at: At, context: Context, task_id: str) -> datetime | None:
    """Return the time whose current batches are pinned, or None for now."""
    if at == "current":
        return None
    run: Any = context["dag_run"]
    found: datetime | None = run.start_date if at == "start" else run.logical_date
    if found is None:
        raise InvalidName(
            f"the run of the task {task_id} has no {'start' if at == 'start' else 'logical date'}:"
            " pin at='current' or at='start'"
        )
    return found


def _is_true(value: bool | str, task_id: str) -> bool:
    """Return a flag, which may be a rendered template."""
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise InvalidName(f"the task {task_id} has repin={value!r}: it is true or false")
    return text in _TRUE
