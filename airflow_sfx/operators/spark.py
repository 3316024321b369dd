"""Submit a Spark job whose output becomes a batch if the job succeeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.nested_pins import pins_in
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import WriteOperator

try:
    from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
except ImportError as error:
    raise ImportError(
        "SparkBatchOperator needs Airflow's Spark provider: pip install 'airflow-sfx[spark]'"
    ) from error

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.operators.base.notifications import Notify
    from airflow_sfx.warehouse.options import Keys
    from airflow_sfx.warehouse.warehouse import Warehouse

OUTPUT = "spark.sfx.output"
INPUTS = "spark.sfx.inputs"


class SparkBatchOperator(WriteOperator, SparkSubmitOperator):
    """Submits a Spark job and publishes its output, one partition, if it succeeds.

    The job's configuration names where to write Parquet files (``spark.sfx.output``, a directory
    that does not exist yet) and what to read (``spark.sfx.inputs``: a JSON object; each name of
    ``inputs`` has ``table``, ``batches`` and ``locations``)::

        inputs = json.loads(spark.conf.get("spark.sfx.inputs"))
        flights = spark.read.parquet(*inputs["flights"]["locations"])
        flights.groupBy("carrier").count().write.parquet(spark.conf.get("spark.sfx.output"))

    Each try submits a job of its own, into a directory of its own. If the driver of an earlier try
    still runs, as in a cluster that lost the worker, its directory is never published; so
    ``durable`` is always False.

    Args:
        table: ``database.table`` (templated).
        inputs: The pins that the job reads, by names of your choice (templated).
        partitions: The partition's values (templated); the default is that of ``@task.batch``.
        partition_keys: The names, and types, of a new table's partition keys.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: The reason for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        s3_scheme: The scheme that replaces ``s3`` in the locations that the job receives: ``s3a``
            for open-source Spark.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of ``SparkSubmitOperator``: ``application``, ``conf``, ``conn_id`` and so on,
            except ``durable=True``.

    Raises:
        InvalidName: ``durable=True``, or the older ``reconnect_on_retry=True``, was passed.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import PinBatchesOperator
        >>> with DAG("routes"):
        ...     pins = PinBatchesOperator(
        ...         task_id="pins", table="nyc.flights", partitions=["{{ ds_nodash }}"]
        ...     )
        ...     routes = SparkBatchOperator(
        ...         task_id="routes",
        ...         application="/jobs/routes.py",
        ...         inputs={"flights": pins.output},
        ...         table="nyc.routes",
        ...     )
        >>> sorted(routes.upstream_task_ids)
        ['pins']
    """

    names = (*WriteOperator.names, "inputs")
    pin_fields = ("inputs",)
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
                    f"the task {kwargs.get('task_id')} has {name}=True: a retry that continues the"
                    " job of an earlier try would publish a directory that the job never wrote;"
                    f" leave {name} out, and each try submits its own job"
                )
        super().__init__(
            table=table,
            partitions=partitions,
            partition_by=None,
            partition_keys=partition_keys,
            publish=publish,
            reason=reason,
            evolve=evolve,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            durable=False,
            **kwargs,
        )
        self.inputs = inputs or {}
        self.s3_scheme = s3_scheme

    def run(self, context: Context) -> BatchPin:
        """Claim a batch, run the job, and seal the job's output.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table, a partition value or an input breaks a rule; nothing ran.
            InconsistentBatch: The job succeeded but wrote nothing into its output directory.
        """
        ref, partitions = self.destination(context)
        warehouse = self.warehouse()
        batch = warehouse.open_batch(
            ref.database,
            ref.table,
            partitions,
            partition_keys=self.partition_keys,
            inputs=list(pins_in(self.inputs)),
            reason=self.reason,
            producer=self.producer(context),
        )
        inputs = {name: self._described(warehouse, pin) for name, pin in self.inputs.items()}
        self.conf = {
            **(self.conf or {}),
            OUTPUT: self._spark_location(batch.location),
            INPUTS: json.dumps(inputs),
        }
        SparkSubmitOperator.execute(self, context)
        return self.report(context, batch.close(publish=self.publish, evolve=self.evolve))

    def _described(self, warehouse: Warehouse, value: Any) -> dict[str, object]:
        """Describe one input for the job."""
        pins = list(pins_in(value))
        return {
            "table": str(pins[0].ref) if pins else "",
            "batches": {name: batch for pin in pins for name, batch in pin.entries},
            "locations": [
                self._spark_location(one) for pin in pins for one in warehouse.locations(pin)
            ],
        }

    def _spark_location(self, location: str) -> str:
        if not location.startswith("s3://"):
            return location
        return f"{self.s3_scheme}{location.removeprefix('s3')}"
