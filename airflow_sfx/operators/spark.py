"""The operator that submits a Spark job whose output becomes a batch, if the job succeeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_sfx.assets.events import add_outlet
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.nested_pins import pins_in
from airflow_sfx.hooks.pin_guard import refuse_foreign_pin
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators._base import TableOperator
from airflow_sfx.operators.links import BatchHistoryLink
from airflow_sfx.operators.notifications import Notify, checked, notifies
from airflow_sfx.serde.pin import register

try:
    from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
except ImportError as error:
    raise ImportError(
        "SparkBatchOperator needs Airflow's Spark provider: pip install 'airflow-sfx[spark]'"
    ) from error

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.options import Keys
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.warehouse.warehouse import Warehouse

register()

OUTPUT = "spark.sfx.output"
INPUTS = "spark.sfx.inputs"


class SparkBatchOperator(TableOperator, SparkSubmitOperator):
    """Submits a Spark job that writes one partition, and publishes what it wrote only if it succeeded.

    The job finds in its configuration where to write Parquet files (``spark.sfx.output``, a
    directory that is not there yet) and what to read (``spark.sfx.inputs``: a JSON object; each
    name of ``inputs`` has ``table``, ``batches`` and ``locations``)::

        inputs = json.loads(spark.conf.get("spark.sfx.inputs"))
        flights = spark.read.parquet(*inputs["flights"]["locations"])
        flights.groupBy("carrier").count().write.parquet(spark.conf.get("spark.sfx.output"))

    Each try submits a job of its own, into a directory of its own. A driver of an earlier try that
    still runs, as one in a cluster does after its worker was lost, writes into a directory that is
    never published; so ``durable`` is always False.

    Args:
        table: ``database.table`` (templated).
        inputs: The pins that the job reads, by a name of your choice (templated).
        partitions: The partition's values (templated); as of ``@task.batch`` where they are absent.
        partition_keys: The names, and types, of a new table's partition keys.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: Why, for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        s3_scheme: What ``s3://`` is called in the locations that the job gets: ``s3a`` for
            open-source Spark.
        notify: Whom to tell of a ``publish``, a ``rollback``, a ``failed_check`` or a
            ``foreign_change``: for each event a list of Airflow's notifiers, in whose templates
            ``batch`` says what happened.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of ``SparkSubmitOperator``: ``application``, ``conf``, ``conn_id`` and so on, but
            for ``durable=True``.

    Raises:
        InvalidName: ``durable=True``, or the older ``reconnect_on_retry=True``, is asked for.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import PinBatchesOperator
        >>> with DAG("routes"):
        ...     pins = PinBatchesOperator(task_id="pins", table="nyc.flights", partitions=["{{ ds_nodash }}"])
        ...     routes = SparkBatchOperator(
        ...         task_id="routes", application="/jobs/routes.py", inputs={"flights": pins.output}, table="nyc.routes"
        ...     )
        >>> sorted(routes.upstream_task_ids)
        ['pins']
    """

    operator_extra_links = (BatchHistoryLink(),)
    names = (*TableOperator.names, "inputs")
    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, *names, "cascade")

    @checks_names
    def __init__(
        self,
        *,
        table: str,
        inputs: Mapping[str, Any] | None = None,
        partitions: Sequence[Any] | str | None = None,
        partition_keys: Keys | None = None,
        publish: bool = True,
        reason: str = "",
        evolve: Evolve = "safe",
        cascade: bool | str = True,
        notify: Notify | None = None,
        s3_scheme: str = "s3a",
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        for name in ("durable", "reconnect_on_retry"):
            if kwargs.pop(name, None):
                raise InvalidName(
                    f"the task {kwargs.get('task_id')} has {name}=True: a try that goes on with the"
                    " job of an earlier one would publish a directory that this job never wrote"
                    f" to; leave {name} out, and each try submits its own job"
                )
        if publish:
            add_outlet(kwargs, table)
        super().__init__(durable=False, **kwargs)
        self.set_destination(
            table,
            partitions,
            reason,
            sfx_conn_id,
            partition_keys=partition_keys,
            publish=publish,
            evolve=evolve,
            cascade=cascade,
            notify=checked(notify, self.task_id),
        )
        self.inputs = inputs or {}
        self.s3_scheme = s3_scheme

    @notifies
    def execute(self, context: Context) -> BatchPin:  # type: ignore[override]
        """Claim a batch, run the job, and seal what it wrote.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table, a partition value or an input is refused; nothing ran.
            InconsistentBatch: The job succeeded and wrote nothing where it was told to.
        """
        refuse_foreign_pin(self, context, "inputs")
        ref, partitions = self.destination(context)
        warehouse = self.warehouse()
        batch = warehouse.open_batch(
            ref.database,
            ref.table,
            partitions,
            partition_keys=self.partition_keys,
            inputs=list(pins_in(self.inputs)),
            reason=self.reason,
            producer=producer_of(cast("Mapping[str, Any]", context)),
        )
        inputs = {name: self._described(warehouse, pin) for name, pin in self.inputs.items()}
        self.conf = {
            **(self.conf or {}),
            OUTPUT: self._as_spark(batch.location),
            INPUTS: json.dumps(inputs),
        }
        super().execute(context)
        pin = batch.close(publish=self.publish, evolve=self.evolve)
        return self.told(context, pin)

    def _described(self, warehouse: Warehouse, value: Any) -> dict[str, object]:
        pins = list(pins_in(value))
        return {
            "table": str(pins[0].ref) if pins else "",
            "batches": {name: batch for pin in pins for name, batch in pin.entries},
            "locations": [
                self._as_spark(place) for pin in pins for place in warehouse.locations(pin)
            ],
        }

    def _as_spark(self, location: str) -> str:
        return (
            f"{self.s3_scheme}{location.removeprefix('s3')}"
            if location.startswith("s3://")
            else location
        )
