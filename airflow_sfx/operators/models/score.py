"""Score batches with a model: the predictions become a batch that names both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import WriteOperator, as_list
from airflow_sfx.operators.base.pin_arguments import required_pins
from airflow_sfx.operators.models.base import ModelOperator, one_model

if TYPE_CHECKING:
    import pandas as pd
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.models.model import Model
    from airflow_sfx.operators.base.notifications import Notify
    from airflow_sfx.warehouse.options import Check, Keys
    from airflow_sfx.warehouse.warehouse import Warehouse


class ScoreBatchOperator(ModelOperator, WriteOperator, BaseOperator):
    """Stores the predictions of a model for pinned batches as a new batch.

    The new batch has the data and the version of the model among its inputs, so that lineage names
    both. The rows are scored piece by piece, in constant memory.

    Args:
        model: The version: the output of a task that saved or promoted it, or a text such as
            ``delays@production``, which is resolved when the task runs (templated).
        pin: The pin of the rows, or several (templated).
        table: ``database.table`` (templated).
        keep: The columns to store beside the predictions; None keeps all.
        column: The name of the column of the predictions.
        probabilities: Whether to store a column for each class, too: ``prediction_CLASS``.
        unseen: Whether a category that the training rows did not have is refused, or scored as
            ``missing``.
        trust: What code may run, for a model without a portable scorer.
        partitions: The partition's values (templated); the default is that of ``@task.batch``.
        partition_by: The columns that name each row's partition.
        partition_keys: The names, and types, of a new table's partition keys.
        checks: Checks that must pass before the batch is published; they need all rows in memory.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: The reason for the history (templated).
        evolve: Which changes of the table's columns are allowed: ``none``, ``safe`` or ``any``.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import PinBatchesOperator
        >>> with DAG("scored"):
        ...     flights = PinBatchesOperator(task_id="flights", table="air.flights")
        ...     score = ScoreBatchOperator(
        ...         task_id="score",
        ...         model="delays@production",
        ...         pin=flights.output,
        ...         table="air.scores",
        ...         keep=["flight"],
        ...     )
        >>> score.outlets[0].uri
        'sfx://air/scores'
    """

    names = ("model", *WriteOperator.names)
    pin_fields = ("model", "pin")
    template_fields: Sequence[str] = ("pin", *names, "cascade")

    @checks_names
    def __init__(
        self,
        *,
        model: Any,
        pin: Any,
        table: str,
        keep: Sequence[str] | str | None = None,
        column: str = "prediction",
        probabilities: bool = False,
        unseen: Literal["refuse", "missing"] = "refuse",
        trust: Sequence[str] = (),
        partitions: Sequence[Any] | str | None = None,
        partition_by: Sequence[str] | str | None = None,
        partition_keys: Keys | None = None,
        checks: Sequence[Check] = (),
        publish: bool = True,
        reason: str = "",
        evolve: Evolve = "safe",
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            table=table,
            partitions=partitions,
            partition_by=partition_by,
            partition_keys=partition_keys,
            publish=publish,
            reason=reason,
            evolve=evolve,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
        )
        self.model = model
        self.pin = pin
        self.keep: Sequence[str] | None = as_list(keep)
        self.column = column
        self.probabilities = probabilities
        self.unseen: Literal["refuse", "missing"] = unseen
        self.trust = trust
        self.checks = checks

    def run(self, context: Context) -> BatchPin:
        """Score the pinned rows and store the predictions.

        Args:
            context: The task's context.

        Returns:
            The pin of the new batch.

        Raises:
            InvalidName: The table, a partition value or a column breaks a rule.
            ModelRefused: The model is damaged, or answers its golden rows otherwise.
            SchemaMismatch: The rows do not fit the model; nothing was stored.
            CheckFailed: A check failed; the batch is staged and the partition unchanged.
        """
        destination = self.destination(context)
        warehouse, registry = self.warehouse(), self.registry()
        pins = required_pins(self.pin, self.task_id)
        version = registry.resolve(one_model(self.model, self.task_id))
        model = registry.load(version, native=bool(self.trust), trust=self.trust)
        self.log.info("%s scores %s", model, ", ".join(map(str, pins)))
        frames = self._scored(model, warehouse, pins)
        frame = _whole(frames) if self.checks else frames
        options = {"inputs": [*pins, registry.batch(version)], "checks": self.checks}
        return self.store(context, warehouse, frame, destination, **options)

    def _scored(
        self, model: Model, warehouse: Warehouse, pins: Sequence[BatchPin]
    ) -> Iterator[pd.DataFrame]:
        """Yield the columns to keep with the predictions, piece by piece."""
        for pin in pins:
            for rows in warehouse.load_dataframe(pin, batches=True):
                yield self._with_predictions(model, rows)

    def _with_predictions(self, model: Model, rows: pd.DataFrame) -> pd.DataFrame:
        answers = model.answers(rows, unseen=self.unseen)
        added: dict[str, Any] = {self.column: answers.prediction}
        if self.probabilities:
            if answers.probability is None:
                raise InvalidName(
                    f"the task {self.task_id} has probabilities=True, and {model} gives none: leave"
                    " it out"
                )
            added |= {
                f"{self.column}_{one}": answers.probability[:, place]
                for place, one in enumerate(model.classes)
            }
        return _beside(rows, self.keep, added, self.task_id)


def _beside(
    rows: pd.DataFrame, keep: Sequence[str] | None, added: Mapping[str, Any], task_id: str
) -> pd.DataFrame:
    """Return columns with others added to them."""
    names = list(rows.columns) if keep is None else list(keep)
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise InvalidName(
            f"the task {task_id} keeps the column {missing[0]!r:.80}, which the rows do not have:"
            f" they have {', '.join(map(str, rows.columns))}"
        )
    taken = [name for name in added if name in names]
    if taken:
        raise InvalidName(
            f"the rows of the task {task_id} have a column {taken[0]!r:.80} already: pass another"
            " column=, or leave it out of keep="
        )
    return rows[names].assign(**added)


def _whole(frames: Iterator[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    return pd.concat(frames, ignore_index=True)
