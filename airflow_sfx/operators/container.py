"""Run a container, or a process, that gets pins and gives a batch.

The result is read from the history: a task whose worker died after the container had published
finds that batch at its next attempt, and nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import WriteOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.jobs.contract import Function, Job
    from airflow_sfx.jobs.runners.base import Runner, Status, Work
    from airflow_sfx.operators.base.notifications import Notify
    from airflow_sfx.warehouse.options import Keys
    from airflow_sfx.warehouse.warehouse import Warehouse

_KEY = "sfx_job"
"""The key of the attempts that have not succeeded, in Airflow's state store of the task."""
_MOST_ATTEMPTS = 20
_PATIENCE_SECONDS = 15.0
"""How long a worker waits before it defers: short jobs end in that time."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """The attempts of a task instance that started a job, and did not succeed as a task.

    Args:
        ids: Their IDs, oldest first.
        memory: The limit of memory of the last one, in bytes, or None for none.
        out_of_memory: Whether that was not enough.
    """

    ids: tuple[str, ...] = ()
    memory: int | None = None
    out_of_memory: bool = False


class ContainerBatchOperator(WriteOperator, BaseOperator):
    """Runs a command in a container; the command stores one batch.

    The command reads its inputs by ``sfx.job.inputs()`` and stores by ``sfx.job.store(df)``; in R,
    ``sf_job_inputs()`` and ``sf_job_store(df)``. See ``docs/containers.md``.

    Args:
        table: ``database.table`` (templated).
        command: The command with its arguments (templated); None for that of the image.
        image: The container's image (templated). The runner ``process`` needs none.
        runner: ``docker``, ``ecs`` or ``process``.
        inputs: The pins that the command reads, by names of your choice (templated).
        parameters: JSON values by name, for ``sfx.job.parameters()`` (templated).
        partitions: The partition's values (templated); the default is that of ``@task.batch``.
        partition_keys: The names, and types, of a new table's partition keys.
        memory: The limit of memory, such as ``2g`` (templated); ``auto`` for one from the sizes of
            the inputs and what earlier runs used; None for no limit.
        cpus: The limit of processors, or None for none.
        environment: Further variables (templated). Secrets do not belong here: the platform of the
            runner has credentials.
        runner_options: Options of the runner, such as ``{"network": "host"}``; see
            ``docs/containers.md``.
        deferrable: Whether the task waits in the triggerer; by default unless the runner is
            ``process``, which only its own machine sees.
        publish: Whether the batch becomes current; otherwise it stays staged.
        reason: The reason for the audit trail (templated).
        evolve: Which changes of the table's columns are allowed.
        types: Hive types by column.
        cascade: Whether the publish is an asset event that starts other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Raises:
        InvalidName: A name or an option breaks a rule.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import PinBatchesOperator
        >>> with DAG("report"):
        ...     sales = PinBatchesOperator(task_id="sales", table="sales.sold_items")
        ...     report = ContainerBatchOperator(
        ...         task_id="report",
        ...         inputs={"sales": sales.output},
        ...         table="sales.report",
        ...         command=["Rscript", "report.R"],
        ...         image="registry.example.com/report:1",
        ...     )
        >>> sorted(report.upstream_task_ids)
        ['sales']
    """

    names = (*WriteOperator.names, "inputs")
    pin_fields: ClassVar[tuple[str, ...]] = ("inputs",)
    template_fields: Sequence[str] = (
        *names,
        *("cascade", "command", "image", "parameters", "environment", "memory"),
    )

    @checks_names
    def __init__(
        self,
        *,
        table: str,
        command: Sequence[str] | None = None,
        image: str = "",
        runner: str = "docker",
        inputs: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        partitions: Sequence[Any] | str | None = None,
        partition_keys: Keys | None = None,
        memory: str | int | None = None,
        cpus: float | None = None,
        environment: Mapping[str, str] | None = None,
        runner_options: Mapping[str, Any] | None = None,
        deferrable: bool | None = None,
        publish: bool = True,
        reason: str = "",
        evolve: Evolve = "safe",
        types: Mapping[str, str] | None = None,
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
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
            **kwargs,
        )
        if isinstance(command, str):
            raise InvalidName(
                f"the task {self.task_id} has command={command!r}, one text: pass a list of the"
                " program and its arguments"
            )
        self.command = list(command or ())
        self.image = image
        self.runner = runner
        self.inputs = inputs or {}
        self.parameters = parameters or {}
        self.memory = memory
        self.cpus = cpus
        self.environment = environment or {}
        self.runner_options = runner_options or {}
        self.deferrable = runner != "process" if deferrable is None else deferrable
        self.types = types or {}
        self._started: str | None = None
        # a wrong runner or option is refused when the DAG is parsed
        if self._opened().needs_image and not image:
            raise InvalidName(
                f"the task {self.task_id} has no image: pass image='name:tag', or runner='process'"
            )

    def run(self, context: Context) -> BatchPin:
        """Start the container, or find that of an earlier attempt, and wait for its end.

        Args:
            context: The task's context.

        Returns:
            The pin of the batch that it gave.

        Raises:
            InvalidName: The table, a partition value or an input breaks a rule; nothing ran.
            JobFailed: The container failed, or gave no batch.
        """
        from airflow_sfx.jobs.result import batch_of
        from airflow_sfx.jobs.run import await_end

        warehouse, attempts = self.warehouse(), _attempts(context)
        job = self._job(context, warehouse, attempts.ids)
        found = batch_of(warehouse, job.output, attempts.ids)
        if found is not None:
            self.log.info("An earlier attempt has given %s before its task ended", found)
            return self._succeed(context, warehouse, found)
        work = self._reattached(job, attempts) or self._start(context, warehouse, job, attempts)
        self._started = work.job.id
        wait = _PATIENCE_SECONDS if self.deferrable else None
        status = await_end(self._runner, work.job.id, seconds=wait)
        if status.is_running:
            self._wait_in_triggerer(work)
        return self._conclude(context, warehouse, work, status)

    def execute_complete(
        self, context: Context, event: Mapping[str, Any], job_id: str, memory: int | None
    ) -> BatchPin:
        """Read the batch of a container that ended while the task waited in the triggerer.

        Args:
            context: The task's context.
            event: The trigger's event.
            job_id: The job.
            memory: Its limit of memory.

        Returns:
            As `run`.

        Raises:
            JobFailed: As `run`.
        """
        from airflow_sfx.jobs.runners.base import Status
        from airflow_sfx.triggers._events import error_of

        warehouse = self.warehouse()
        job = replace(self._job(context, warehouse, _attempts(context).ids), id=job_id)
        work = replace(self._work(job), memory=memory)
        if event["status"] != "success":  # the daemon is gone; the history may have the batch
            status = Status("ended", reason=str(error_of(event)))
        else:
            status = self._runner.status(job_id)
        return self._conclude(context, warehouse, work, status)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Resume after the triggerer; a container whose time is over is killed.

        Args:
            next_method: The method to call.
            next_kwargs: Its arguments, or None.
            context: The task's context.

        Returns:
            As `run`.
        """
        from airflow.sdk.exceptions import TaskDeferralError

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralError:
            for job_id in _attempts(context).ids[-1:]:
                self._runner.kill(job_id)
                self._runner.remove(job_id)
            raise

    def on_kill(self) -> None:
        """End the container: the task was killed, or its time is over."""
        if self._started is not None:
            self._runner.kill(self._started)

    def contents(self) -> tuple[dict[str, Any], dict[str, Any], Function | None, tuple[str, ...]]:
        """Return what the job gets: inputs, parameters, the function, and the command."""
        return dict(self.inputs), dict(self.parameters), None, tuple(map(str, self.command))

    @cached_property
    def _runner(self) -> Runner:
        return self._opened()

    def _opened(self) -> Runner:
        from airflow_sfx.jobs.runners.factory import open_runner

        return open_runner(self.runner, self.runner_options)

    def _job(self, context: Context, warehouse: Warehouse, earlier: tuple[str, ...]) -> Job:
        from airflow_sfx.jobs.contract import Job, Output

        ref, values = self.destination(context)
        producer = self.producer(context)
        mine = producer.attempt_id or str(producer.try_number)
        inputs, parameters, function, _ = self.contents()
        output = Output(
            str(ref),
            _flat(values),
            self.partition_keys,
            self.publish,
            self.evolve,
            self.reason,
            self.types,
        )
        return Job(
            id=mine,
            warehouse=warehouse.uri,
            output=output,
            inputs={name: _one_pin(name, value) for name, value in inputs.items()},
            parameters=parameters,
            producer=replace(producer, image=self.image or None),
            earlier=tuple(one for one in earlier if one != mine),
            function=function,
        )

    def _work(self, job: Job) -> Work:
        from airflow_sfx.jobs.runners.base import Work

        *_, command = self.contents()
        return Work(job, command, self.image, None, self.cpus, dict(self.environment))

    def _reattached(self, job: Job, attempts: Attempts) -> Work | None:
        """Return the job of an earlier attempt that still runs."""
        for job_id in reversed(attempts.ids):
            with suppress(JobFailed):
                if self._runner.status(job_id).is_running:
                    self.log.info("The job of the attempt %s still runs: waiting for it", job_id)
                    work = self._work(replace(job, id=job_id))
                    return replace(work, memory=attempts.memory)
        return None

    def _start(self, context: Context, warehouse: Warehouse, job: Job, attempts: Attempts) -> Work:
        from airflow_sfx.jobs.memory import AUTO, memory_of_job
        from airflow_sfx.jobs.runners.base import memory_size

        memory = memory_size(None if self.memory in (AUTO, "") else self.memory)
        if self.memory == AUTO:
            before = (attempts.memory or 0) * (2 if attempts.out_of_memory else 1)
            memory = max(memory_of_job(warehouse, job), before)
            self.log.info("memory=auto: the limit is %d MiB", memory >> 20)
        work = replace(self._work(job), memory=memory)
        # before the start: whatever dies now, the next attempt looks for this job
        _remember(context, Attempts((*job.earlier, job.id), memory))
        self._started = job.id
        self._runner.start(work)
        self.log.info("Started the job %s by the runner %s", job.id, self.runner)
        return work

    def _wait_in_triggerer(self, work: Work) -> None:
        from airflow_sfx.triggers.job import JobTrigger

        self.defer(
            trigger=JobTrigger(self.runner, self.runner_options, work.job.id),
            method_name="execute_complete",
            kwargs={"job_id": work.job.id, "memory": work.memory},
            timeout=self.execution_timeout,
        )

    def _conclude(
        self, context: Context, warehouse: Warehouse, work: Work, status: Status
    ) -> BatchPin:
        from airflow_sfx.jobs.run import conclude

        def print_line(line: str) -> None:
            self.log.info("%s", line)

        try:
            pin = conclude(self._runner, work, warehouse, status, print_line=print_line)
        except JobFailed as error:
            if error.out_of_memory:
                _remember(context, replace(_attempts(context), out_of_memory=True))
            with suppress(JobFailed):
                self._runner.remove(work.job.id)
            raise
        return self._succeed(context, warehouse, pin, work.job.id)

    def _succeed(
        self, context: Context, warehouse: Warehouse, pin: BatchPin, *ended: str
    ) -> BatchPin:
        from airflow_sfx.operators.base.notifications import notify_of_batch

        if self.publish and self.notify:
            notify_of_batch(self, context, pin, warehouse.manifests(pin))
        result = self.report(context, pin)
        for job_id in {*_attempts(context).ids, *ended}:  # attempts that died have left some
            with suppress(JobFailed):
                self._runner.kill(job_id)
                self._runner.remove(job_id)
        _remember(context, None)
        return result


def _attempts(context: Context) -> Attempts:
    """Return the attempts that did not succeed; none where Airflow has no state store."""
    store: Any = context.get("task_state_store")
    found = store.get(_KEY) if store is not None else None
    if not isinstance(found, Mapping):
        return Attempts()
    ids, memory = tuple(map(str, found.get("ids", ()))), found.get("memory")
    return Attempts(ids, memory, bool(found.get("out_of_memory")))


def _remember(context: Context, attempts: Attempts | None) -> None:
    """Store the attempts for the next one, or forget them all when the task succeeds."""
    store: Any = context.get("task_state_store")
    if store is None:
        return
    if attempts is None:
        store.delete(_KEY)
        return
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    value = {**asdict(attempts), "ids": list(attempts.ids[-_MOST_ATTEMPTS:])}
    store.set(_KEY, value, retention=NEVER_EXPIRE)


def _flat(values: Sequence[Any] | None) -> tuple[Any, ...]:
    """Return the values of one partition, which may be a list in a list."""
    if values and len(values) == 1 and isinstance(values[0], (list, tuple)):
        return tuple(values[0])
    return tuple(values or ())


def _one_pin(name: str, value: Any) -> BatchPin:
    from airflow_sfx.hooks.nested_pins import pins_in

    found = list(pins_in(value))
    if len(found) != 1:
        raise InvalidName(
            f"the input {name!r} has {len(found)} pins: pass one, such as the output of a task that"
            " stored or pinned a batch; a pin may have many partitions"
        )
    return found[0]
