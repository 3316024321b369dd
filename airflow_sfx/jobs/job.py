"""What the code of a job uses: inputs, parameters, and the call that stores.

It works in a process or container that `sfx job run`, ``@task.batch_container`` or
``ContainerBatchOperator`` started::

    import airflow_sfx as sfx

    sales = sfx.job.inputs()["sales"]
    sfx.job.store(sales.groupby("item", as_index=False)["price"].sum())
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Unpack

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.jobs.contract import VARIABLE, Job, read_job

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.warehouse.options import As, LoadOptions
    from airflow_sfx.warehouse.warehouse import Warehouse

_log = logging.getLogger(__name__)


class Inputs(Mapping[str, "pd.DataFrame"]):
    """The inputs of a job, each loaded by its pin when it is asked for.

    Args:
        pins: The pins by name.
    """

    def __init__(self, pins: Mapping[str, BatchPin]) -> None:
        self.pins = dict(pins)

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Load an input as a pandas DataFrame."""
        found: pd.DataFrame = self.load(name)
        return found

    def load(self, name: str, as_: As = "pandas", **options: Unpack[LoadOptions]) -> Any:
        """Load an input.

        Args:
            name: Its name.
            as_: The kind of frame.
            options: Other options of `airflow_sfx.load_dataframe`, such as ``columns``.

        Returns:
            Exactly the pinned rows.

        Raises:
            KeyError: The job has no such input.
        """
        if name not in self.pins:
            raise KeyError(f"the job has no input {name!r}; its inputs are {sorted(self.pins)}")
        return warehouse().load_dataframe(self.pins[name], as_=as_, **options)

    def __iter__(self) -> Iterator[str]:
        return iter(self.pins)

    def __len__(self) -> int:
        return len(self.pins)

    def __repr__(self) -> str:
        return f"Inputs({', '.join(f'{name}: {pin}' for name, pin in self.pins.items())})"


def current() -> Job:
    """Return the job that this process runs.

    Returns:
        The job.

    Raises:
        InvalidName: This process is not a job.
    """
    return _read(os.environ.get(VARIABLE, ""))


def inputs() -> Inputs:
    """Return the job's inputs by name.

    Returns:
        A mapping whose values are loaded on use: ``sfx.job.inputs()["sales"]``.

    Raises:
        InvalidName: This process is not a job.
    """
    return Inputs(current().inputs)


def parameters() -> dict[str, Any]:
    """Return the job's parameters.

    Returns:
        JSON values by name.

    Raises:
        InvalidName: This process is not a job.
    """
    return dict(current().parameters)


def store(df: object, *, types: Mapping[str, str] | None = None) -> BatchPin:
    """Store the job's batch: the one result of the job.

    If an earlier attempt of the same task instance published before its task could succeed, its
    batch is the result, and nothing is written.

    Args:
        df: As for `airflow_sfx.store_dataframe`.
        types: Hive types by column; those that the job was started with go first.

    Returns:
        The pin of the batch.

    Raises:
        InvalidName: This process is not a job, or the job has stored its batch already.
        StaleAttempt: A newer attempt of the task instance has published.
        SchemaMismatch: The frame does not fit the table.
        CheckFailed: A check that lives with the table failed; the batch is staged.
    """
    from airflow_sfx.jobs.result import batch_of, record_reused

    this, opened = current(), warehouse()
    found = batch_of(opened, this.output, (this.id,))
    if found is not None:
        raise InvalidName(
            f"the job has stored its batch already, {found}",
            remedy="store once; pass an iterator to store several frames as one batch",
        )
    found = batch_of(opened, this.output, this.earlier)
    if found is not None:
        _log.warning("An earlier attempt of this job has given %s: nothing is written", found)
        return found
    output = this.output
    pin = opened.store_dataframe(
        df,
        output.ref.database,
        output.ref.table,
        output.values,
        partition_keys=output.partition_keys,
        publish=output.publish,
        reason=output.reason,
        inputs=list(this.inputs.values()),
        evolve=output.evolve,
        types={**(types or {}), **output.types} or None,
    )
    record_reused(opened, this, pin)
    return pin


def warehouse() -> Warehouse:
    """Return the job's warehouse, which records the job's task as the author of changes.

    Returns:
        The warehouse.

    Raises:
        InvalidName: This process is not a job.
        WarehouseUnavailable: The warehouse cannot be opened.
    """
    return _opened(os.environ.get(VARIABLE, ""))


@lru_cache(maxsize=1)
def _read(variable: str) -> Job:
    return read_job({**os.environ, VARIABLE: variable})


@lru_cache(maxsize=1)
def _opened(variable: str) -> Warehouse:
    from airflow_sfx.warehouse.connect import connect

    return connect(_read(variable).warehouse, producer=_producer, source="the job")


def _producer() -> Producer:
    """Return who writes: the job's task instance, with this container's host and versions."""
    from airflow_sfx.jobs.memory_use import peak_memory
    from airflow_sfx.warehouse.current_producer import current_producer

    here, this = current_producer({}), current()
    return replace(
        this.producer,
        attempt_id=this.id,
        user=this.producer.user or here.user,
        host=here.host,
        packages=here.packages,
        peak_memory=peak_memory(),
    )
