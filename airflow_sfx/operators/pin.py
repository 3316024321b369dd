"""The operator that pins: what comes after it in its run reads exactly these batches, however often it is cleared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.hooks.templates import checks_names, is_settled
from airflow_sfx.operators._base import TableOperator
from airflow_sfx.operators.links import BatchHistoryLink
from airflow_sfx.serde.pin import register

if TYPE_CHECKING:
    from airflow.sdk import Context

register()

At: TypeAlias = Literal["current", "start", "as_of_logical_date"]
"""What is pinned: what is current when the task runs first, was when its run began, or was at its logical date."""

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "none", "")


class PinBatchesOperator(TableOperator, BaseOperator):
    """Pins batches for the rest of the run, durably: a cleared task, or one whose XCom is gone, pins the same ones again.

    The pin is recorded beside the table with the run and the task. The XCom is the pin; of several
    tables it is a dictionary of pins, and each is an XCom of its own under its name:
    ``pins.output["flights"]``.

    Args:
        table: ``database.table`` (templated); absent with ``tables``.
        tables: Several tables by name, for a pin set (templated).
        partitions: Which partitions, of each table (templated); None for all.
        at: ``current``, ``start`` (as it was when the run began) or ``as_of_logical_date``.
        repin: Whether to pin anew where this task of this run has pinned before (templated, so that
            a parameter of the run can say it).
        hold_for: For how long from now retention leaves the batches alone; None for ever. Where it
            is absent, the option ``hold_days`` of the section ``[sfx]`` in Airflow's configuration
            says it: 90 days.
        reason: Why, for whoever looks at the holds (templated).
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> pins = PinBatchesOperator(
        ...     task_id="pins", tables={"flights": "nyc.flights", "weather": "nyc.weather"}, partitions=["{{ ds_nodash }}"]
        ... )
        >>> pins.output["flights"].key
        'flights'
    """

    operator_extra_links = (BatchHistoryLink(),)
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
        super().__init__(**kwargs)
        if (table is None) == (tables is None):
            raise InvalidName(
                f"the task {self.task_id} must say table= or, for a pin set, tables=, and not both"
            )
        if at not in At.__args__:  # type: ignore[attr-defined]
            raise InvalidName(
                f"the task {self.task_id} has at={at!r}: it is current, start or as_of_logical_date"
            )
        self.set_destination(table, partitions, reason, sfx_conn_id)
        self.tables = dict(tables) if tables is not None else None
        for one in filter(is_settled, (self.tables or {}).values()):
            TableRef.parse(one)
        self.multiple_outputs = tables is not None
        self.at = at
        self.repin = repin
        self.hold_for = hold_for

    def execute(self, context: Context) -> BatchPin | dict[str, BatchPin]:
        """Pin.

        Args:
            context: The task's context.

        Returns:
            The pin; of several tables, pins by the tables' names in ``tables``.

        Raises:
            InvalidName: A table or a value is refused, or the run has no such moment.
            PartitionNotFound: A partition has no batch, or had none then.
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
        producer = producer_of(cast("Mapping[str, Any]", context))
        held = self.warehouse().pin_and_hold(
            ref.database,
            ref.table,
            partitions,
            name=f"{producer.dag_id}/{producer.run_id}/{producer.task_id}/{producer.map_index}",
            as_of=_moment(self.at, cast("Mapping[str, Any]", context), self.task_id),
            until=self._until(),
            renew=_truth(self.repin, self.task_id),
            reason=self.reason,
            producer=producer,
        )
        again = held.producer.attempt != producer.attempt
        self.log.info(
            "%s %s, until %s",
            "Pinned before by this task:" if again else "Pinned",
            held.pin,
            held.until,
        )
        return held.pin

    def _until(self) -> datetime | None:
        if self.hold_for is None:
            return None
        if self.hold_for != "configured":
            return datetime.now(UTC) + self.hold_for
        from airflow.sdk.configuration import conf

        return datetime.now(UTC) + timedelta(days=conf.getint("sfx", "hold_days", fallback=90))


def _moment(at: At, context: Mapping[str, Any], task_id: str) -> datetime | None:
    """The time whose current batches are pinned; None for now."""
    if at == "current":
        return None
    run = context["dag_run"]
    found: datetime | None = run.start_date if at == "start" else run.logical_date
    if found is None:
        raise InvalidName(
            f"the run of the task {task_id} has no {'start' if at == 'start' else 'logical date'}:"
            " pin at='current' or at='start'"
        )
    return found


def _truth(value: bool | str, task_id: str) -> bool:
    """A flag, which may be the text that a template has become."""
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise InvalidName(f"the task {task_id} has repin={value!r}: it is true or false")
    return text in _TRUE
