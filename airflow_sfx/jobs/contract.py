"""The job contract: ``job.json``, all that a job gets.

It has no secret: inputs as pins, the output, parameters, who writes, and the warehouse's URI. The
variable `VARIABLE` holds its path; or, where no file can be passed, the JSON text itself, or the
path of an object of the warehouse's store, which begins with `STORED`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import partition_value
from airflow_sfx.core.paths import path_step
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Evolve
from airflow_sfx.core.serde import Record, compact, parse
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.current_producer import ATTEMPT
from airflow_sfx.warehouse.options import As, Keys

VERSION = 1
VARIABLE = "SFX_JOB"
"""The environment variable with the path of ``job.json``, or with its text."""
STORED = "_sfx/jobs/"
"""Where jobs are in the warehouse's store that are too large for a variable."""


@dataclass(frozen=True, slots=True)
class Output:
    """The partition that a job writes.

    Args:
        table: ``database.table``.
        partitions: The partition's values, one for each key; empty for a table without partitions.
        partition_keys: The names, and types, of a new table's partition keys, or None.
        publish: Whether the batch becomes current; otherwise it stays staged.
        evolve: Which changes of the table's columns are allowed.
        reason: The reason for the history.
        types: Hive types by column, which override those of the frame.

    Raises:
        InvalidName: The table or a value breaks a rule.

    Example:
        >>> Output("sales.report", ("20161031",)).ref.table
        'report'
    """

    table: str
    partitions: tuple[str, ...] = ()
    partition_keys: Keys | None = None
    publish: bool = True
    evolve: Evolve = "safe"
    reason: str = ""
    types: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", str(TableRef.parse(self.table)))
        object.__setattr__(self, "partitions", tuple(map(partition_value, self.partitions)))

    @property
    def ref(self) -> TableRef:
        """The table."""
        return TableRef.parse(self.table)

    @property
    def values(self) -> list[str] | None:
        """The partition's values as the warehouse takes them; None without partitions."""
        return list(self.partitions) or None

    def __str__(self) -> str:
        return "/".join((self.table, *self.partitions))


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a job calls.

    Args:
        source: A module whose last function it is; see `airflow_sfx.jobs.function`.
        frames: The kind of frame of each input that becomes one; other inputs stay pins.
    """

    source: str
    frames: Mapping[str, As] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """What a job gets.

    Args:
        id: The attempt's ID, which names the process or container, and its batch in the history.
        warehouse: The warehouse's URI, without secrets.
        output: What it writes.
        inputs: The pins that it reads, by name.
        parameters: Its parameters, JSON values by name.
        producer: The task instance, or the user, for the history.
        earlier: Earlier attempts that did not succeed as tasks, but may have published.
        function: The function to call, for jobs that are one; else None.

    Raises:
        InvalidName: A name is not text, or a parameter is not a JSON value.
    """

    id: str
    warehouse: str
    output: Output
    inputs: Mapping[str, BatchPin] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    producer: Producer = field(default_factory=Producer)
    earlier: tuple[str, ...] = ()
    function: Function | None = None

    def __post_init__(self) -> None:
        for name, pin in self.inputs.items():
            if not isinstance(pin, BatchPin):
                raise InvalidName(
                    f"the input {name!r} of a job is {pin!r:.80}, not a pin: pass the output of a"
                    " task that stored or pinned a batch, or sfx.pin(…)"
                )
        for name, value in self.parameters.items():
            _require_json(name, value)

    def to_text(self) -> str:
        """Encode the job as JSON, which has no secret."""
        producer = self.producer.to_json()
        return compact(
            {
                "version": VERSION,
                "id": self.id,
                "warehouse": self.warehouse,
                "inputs": {name: json.loads(pin.to_json()) for name, pin in self.inputs.items()},
                "output": {
                    "table": self.output.table,
                    "partitions": list(self.output.partitions),
                    "partition_keys": _plain_keys(self.output.partition_keys),
                    "publish": self.output.publish,
                    "evolve": self.output.evolve,
                    "reason": self.output.reason,
                    "types": dict(self.output.types),
                },
                "parameters": dict(self.parameters),
                "producer": producer,
                "earlier": list(self.earlier),
                **(_plain_function(self.function) if self.function else {}),
            }
        )

    @classmethod
    def from_text(cls, text: str | bytes) -> Job:
        """Decode a job; members that this version does not know are ignored.

        Args:
            text: The text that `to_text` returned.

        Returns:
            The job.

        Raises:
            InvalidName: It is not a job, or is one of a later version.
        """
        try:
            version = parse(text, _Version).version
            record = parse(text, _JobRecord) if version == VERSION else None
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidName(f"{text!r:.80} is not the JSON of a job: {error}") from error
        if record is None:
            raise InvalidName(
                f"the job has version {version!r} of the contract, and this package knows version"
                f" {VERSION}: install a later airflow_sfx in the job's image"
            )
        return cls(
            id=record.id,
            warehouse=record.warehouse,
            output=record.output.output(),
            inputs={name: BatchPin.from_json(compact(one)) for name, one in record.inputs.items()},
            parameters=record.parameters,
            producer=record.producer,
            earlier=tuple(record.earlier),
            function=record.function,
        )

    def environment(self) -> dict[str, str]:
        """Return the variables that a job's process gets beside `VARIABLE`.

        They name the warehouse and the writer to code that calls the library without the contract.
        """
        producer = self.producer
        context = {
            "DAG_ID": producer.dag_id,
            "DAG_RUN_ID": producer.run_id,
            "TASK_ID": producer.task_id,
            "MAP_INDEX": None if producer.map_index < 0 else str(producer.map_index),
            "TRY_NUMBER": None if producer.try_number is None else str(producer.try_number),
            "LOGICAL_DATE": producer.logical_date,
        }
        named = {f"AIRFLOW_CTX_{name}": value for name, value in context.items() if value}
        return {"SFX_WAREHOUSE": self.warehouse, ATTEMPT: self.id, **named}


def read_job(environment: Mapping[str, str] | None = None) -> Job:
    """Read the job of this process.

    Args:
        environment: The environment variables, or None for those of this process.

    Returns:
        The job.

    Raises:
        InvalidName: This process is not a job, or its ``job.json`` cannot be read.
    """
    variables = os.environ if environment is None else environment
    given = variables.get(VARIABLE, "")
    if not given:
        raise InvalidName(
            f"this process is not a job: {VARIABLE} is not set",
            remedy="start it with `sfx job run`, @task.batch_container or ContainerBatchOperator",
        )
    if given.lstrip().startswith("{"):
        return Job.from_text(given)
    if given.startswith(STORED):
        return Job.from_text(_stored(given, variables.get("SFX_WAREHOUSE", "")))
    try:
        text = Path(given).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise InvalidName(f"{VARIABLE}={given!r:.200} names no readable job: {error}") from error
    return Job.from_text(text)


def stored_job_path(job_id: str) -> str:
    """Return the path of a job in the warehouse's store.

    Example:
        >>> stored_job_path("01932c07-209c-7cf4-bb9e-b83cd3d1d0a8")
        '_sfx/jobs/01932c07-209c-7cf4-bb9e-b83cd3d1d0a8.json'
    """
    return f"{STORED}{path_step(job_id)}.json"


def result_path(job_id: str) -> str:
    """Return the path of the pin of a job whose store found the same rows already there.

    Example:
        >>> result_path("01932c07-209c-7cf4-bb9e-b83cd3d1d0a8")
        '_sfx/jobs/01932c07-209c-7cf4-bb9e-b83cd3d1d0a8.pin.json'
    """
    return f"{STORED}{path_step(job_id)}.pin.json"


def _stored(path: str, warehouse: str) -> bytes:
    from airflow_sfx.warehouse.connect import connect

    data = connect(warehouse, source="SFX_WAREHOUSE").store.get(path)
    if data is None:
        raise InvalidName(f"{VARIABLE}={path!r} is not in the warehouse {warehouse}")
    return data


def _require_json(name: object, value: object) -> None:
    try:
        if not isinstance(name, str):
            raise TypeError(f"the name {name!r:.80} is not text")
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidName(
            f"the parameter {name!r:.80} of a job is {value!r:.80} ({error}): pass JSON values, and"
            " frames as pins"
        ) from error


def _plain_function(function: Function) -> dict[str, object]:
    return {"function": {"source": function.source, "frames": dict(function.frames)}}


def _plain_keys(keys: Keys | None) -> object:
    return dict(keys) if isinstance(keys, Mapping) else None if keys is None else list(keys)


class _Version(Record):
    version: Any = VERSION


class _OutputRecord(Record):
    table: str
    partitions: list[str]
    partition_keys: list[str] | dict[str, str] | None = None
    publish: bool = True
    evolve: Evolve = "safe"
    reason: str = ""
    types: dict[str, str] = msgspec.field(default_factory=dict)

    def output(self) -> Output:
        """Check the members further, and make the output of them."""
        return Output(
            self.table,
            tuple(self.partitions),
            self.partition_keys,
            self.publish,
            self.evolve,
            self.reason,
            self.types,
        )


class _JobRecord(Record):
    id: str
    warehouse: str
    output: _OutputRecord
    inputs: dict[str, Any]
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    producer: Producer = msgspec.field(default_factory=Producer)
    earlier: list[str] = msgspec.field(default_factory=list)
    function: Function | None = None
