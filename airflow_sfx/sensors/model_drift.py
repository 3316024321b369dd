"""Wait until current rows have drifted from those that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.partitions import check_rendered
from airflow_sfx.hooks.templates import CheckedTemplates, checks_names, is_settled
from airflow_sfx.models.pin import model_name
from airflow_sfx.sensors._base import BatchSensor
from airflow_sfx.triggers.model_drift import ModelDriftTrigger, digest_of, to_compare

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

DRIFT = "drift"
"""The key of the XCom with the report."""


class ModelDriftSensor(CheckedTemplates, BatchSensor):
    """Waits until current batches have drifted from the rows that a model was trained on.

    Rows are compared on a worker, whenever the batches or the version are others than those
    compared last. The XCom is the pin of the batches that drifted; that with the key ``drift`` is
    the report of `airflow_sfx.models.drift`.

    Args:
        model: The version, as for `airflow_sfx.models.load`: ``delays@production``, say
            (templated). It need not exist yet.
        table: ``database.table`` (templated). It need not exist yet.
        partitions: The partitions' values (templated); None compares the whole table.
        columns: The columns whose drift counts, ``prediction`` among them; None for all.
        threshold: From which index or distance on a shift counts.
        trust: What code may run, for a model without a portable scorer.
        deferrable: False keeps the worker's slot, as the ``mode`` of every sensor defines.
        poke_interval: Seconds, or a timedelta, between two checks; up to a tenth longer.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every sensor: ``timeout`` in seconds, ``soft_fail`` and so on.

    Raises:
        InvalidName: The name of the table or of the model breaks a rule.

    Example:
        >>> sensor = ModelDriftSensor(
        ...     task_id="drifted",
        ...     model="delays@production",
        ...     table="air.flights",
        ...     partitions=["{{ ds_nodash }}"],
        ...     columns=["prediction"],
        ... )
        >>> sensor.threshold
        0.1
    """

    names = ("model", "table", "partitions")
    template_fields: Sequence[str] = names

    @checks_names
    def __init__(
        self,
        *,
        model: Any,
        table: str,
        partitions: Sequence[Any] | str | None = None,
        columns: Sequence[str] | None = None,
        threshold: float = 0.1,
        trust: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(model, str) and is_settled(model):
            model_name(model)
        if is_settled(table):
            TableRef.parse(table)
        self.model = model
        self.table = table
        self.partitions = [partitions] if isinstance(partitions, str) else partitions
        self._as_written = self.partitions
        self.columns = columns
        self.threshold = threshold
        self.trust = trust
        self._compared: str | None = None

    def poke(self, context: Context) -> PokeReturnValue:
        """Compare what is current, unless it was compared already.

        Args:
            context: The task's context.

        Returns:
            Whether it has drifted, and the pin.
        """
        from airflow_sfx.models.registry import ModelRegistry

        if self.partitions is not None:
            check_rendered(self.partitions, self._as_written or (), self.task_id)
        warehouse = self._warehouse()
        found = to_compare(warehouse, str(self.model), self.table, self.partitions or None)
        if found is None:
            self.log.info("%s or %s is not there yet", self.model, self.table)
            return PokeReturnValue(is_done=False)
        digest, (version, pin) = digest_of(found), found
        if digest == self._compared:
            return PokeReturnValue(is_done=False)
        if not any(one.rows for one in warehouse.manifests(pin)):
            self.log.info("%s has no rows to compare", pin)
            self._compared = digest
            return PokeReturnValue(is_done=False)
        report = ModelRegistry(warehouse).drift(
            version, pin, threshold=self.threshold, trust=self.trust
        )
        self._compared = digest
        drifted = [one for one in report.drifted if self.columns is None or one in self.columns]
        self.log.info(
            "%s, trained for %s: %s", pin, version, f"drifted in {', '.join(drifted) or 'nothing'}"
        )
        if not drifted:
            return PokeReturnValue(is_done=False)
        context["ti"].xcom_push(DRIFT, report.as_dict())
        return PokeReturnValue(is_done=True, xcom_value=pin)

    def _condition(self) -> str:
        of = f" in {', '.join(self.columns)}" if self.columns else ""
        return f"drift{of} of {self.table} from the training rows of {self.model}"

    def _trigger(self) -> BaseTrigger:
        return ModelDriftTrigger(
            str(self.model),
            self.table,
            self.partitions or None,
            self._compared,
            self.poke_interval,
            self.sfx_conn_id,
        )
