"""Run a job: start it, wait for its end, and read its batch from the history.

`start_job`, `await_end` and `conclude` are the steps, each of which another process can take;
`run_job` takes them one after another. If a process dies between two of them, the next attempt
finds the container by the job's ID, and the batch by the history: no step writes anything else.
"""

from __future__ import annotations

import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

from airflow_sfx.core.errors import JobFailed
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.jobs.contract import Output
from airflow_sfx.jobs.result import batch_of, other_tables
from airflow_sfx.jobs.runners.base import (
    KILLED,
    NOT_FOUND,
    Runner,
    RunnerUnavailable,
    Status,
    Work,
)
from airflow_sfx.warehouse.warehouse import Warehouse

SHOWN_LINES = 50
"""How many of the last lines an error has."""
_LOGGED_LINES = 2000
_FOLLOW_SECONDS = 1.0
_FIRST_PAUSE, _GROWTH = 0.05, 1.3
_PATIENCE_SECONDS = 120.0
"""How long a daemon that cannot be reached is asked again while a job runs."""

_log = logging.getLogger(__name__)


def new_job_id() -> str:
    """Return an ID for a job outside of Airflow: a UUID that begins with the time, version 7.

    Example:
        >>> uuid.UUID(new_job_id()).version, new_job_id() < new_job_id()
        (7, True)
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    # the twelve bits after the version are a fraction of the millisecond, so that IDs are in order
    number = milliseconds << 80 | 7 << 76 | (rest << 12) // 1_000_000 << 64
    return str(uuid.UUID(int=number | 2 << 62 | int.from_bytes(os.urandom(8)) >> 2))


def run_job(
    runner: Runner,
    work: Work,
    warehouse: Warehouse,
    print_line: Callable[[str], object] = _log.info,
) -> BatchPin:
    """Run a job to its end.

    Args:
        runner: What runs it.
        work: What it runs.
        warehouse: The warehouse.
        print_line: Gets each line that it prints.

    Returns:
        The pin of the batch that it gave. If the process is interrupted, the job is killed.

    Raises:
        JobFailed: It failed or gave no batch.
    """
    runner.start(work)
    try:
        status = _followed(runner, work.job.id, print_line)
        return conclude(runner, work, warehouse, status)
    except KeyboardInterrupt:
        runner.kill(work.job.id)
        raise
    finally:
        with suppress(JobFailed):
            runner.remove(work.job.id)


def _followed(runner: Runner, job_id: str, print_line: Callable[[str], object]) -> Status:
    """Wait for a job's end, and print its first 2,000 lines as they come."""
    printed = 0
    while True:
        status = await_end(runner, job_id, seconds=_FOLLOW_SECONDS)
        lines = _lines(runner, job_id)
        for line in lines[printed:]:
            print_line(line)
        printed = len(lines)
        if not status.is_running:
            return status


def await_end(runner: Runner, job_id: str, *, seconds: float | None = None) -> Status:
    """Wait until a job has ended.

    Args:
        runner: What runs it.
        job_id: The job.
        seconds: The longest time to wait, or None for no limit.

    Returns:
        What became of it; its state is ``running`` if the time was over first. If the daemon cannot
        be reached for two minutes, it counts as ended: the history may have its batch.
    """
    end = None if seconds is None else time.monotonic() + seconds
    try:
        for status in looks(runner, job_id):
            if not status.is_running:
                return status
            if end is not None and time.monotonic() >= end:
                break
    except RunnerUnavailable as error:
        return Status("ended", reason=str(error))
    return Status("running")


def looks(
    runner: Runner, job_id: str, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Status]:
    """Look at a job again and again, with growing pauses, while the daemon can be reached.

    Args:
        runner: What runs it.
        job_id: The job.
        sleep: How to wait.

    Yields:
        What became of it.

    Raises:
        RunnerUnavailable: The daemon could not be reached for two minutes.
    """
    patience = Patience(runner.longest_pause)
    while True:
        try:
            found = runner.status(job_id)
            patience.reached()
        except RunnerUnavailable as error:
            patience.failed(error)
            found = Status("running")
        yield found
        sleep(patience.pause())


class Patience:
    """The pauses between two looks at a job, and how long failures of them are borne.

    Args:
        longest: The longest pause, in seconds.
    """

    def __init__(self, longest: float) -> None:
        self._longest, self._pause = longest, _FIRST_PAUSE / _GROWTH
        self._failing_since: float | None = None

    def pause(self) -> float:
        """Return the next pause, in seconds."""
        self._pause = min(self._pause * _GROWTH, self._longest)
        return self._pause

    def reached(self) -> None:
        """Note that a look succeeded."""
        self._failing_since = None

    def failed(self, error: RunnerUnavailable) -> None:
        """Note that a look failed; raise its error after two minutes of failures."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            _log.warning("%s. It is asked again", error)
        if now - self._failing_since > _PATIENCE_SECONDS:
            raise error


def conclude(
    runner: Runner,
    work: Work,
    warehouse: Warehouse,
    status: Status,
    *,
    print_line: Callable[[str], object] | None = None,
) -> BatchPin:
    """Return the batch of a job that has ended, or raise what went wrong.

    The history decides: a job whose batch is there has succeeded, however it ended.

    Args:
        runner: What ran it.
        work: What it ran.
        warehouse: The warehouse.
        status: What became of it.
        print_line: Gets each line of the job's log, the last 2,000; None for no log.

    Returns:
        The pin of its batch.

    Raises:
        JobFailed: It gave no batch.
    """
    lines = _lines(runner, work.job.id)
    for line in lines if print_line is not None else ():
        print_line(line)  # type: ignore[misc]
    job = work.job
    found = batch_of(warehouse, job.output, (job.id, *job.earlier))
    if found is None:
        raise failure(work, status, lines[-SHOWN_LINES:], other_tables(warehouse, job))
    if status.exit_code:
        _log.warning("The job gave %s, and then ended with exit code %d", found, status.exit_code)
    elif others := other_tables(warehouse, job):
        _log.warning("Beside its output the job changed %s", ", ".join(others))
    return found


def failure(work: Work, status: Status, lines: list[str], others: list[str]) -> JobFailed:
    """Return the error of a job without a batch.

    Args:
        work: What ran.
        status: What became of it.
        lines: The last lines that it printed.
        others: The tables that it changed instead of its output.

    Returns:
        The error: what happened, the remedy, and the last lines.
    """
    rule, remedy = _what_happened(work, status, others)
    shown = "".join(f"\n    {line}" for line in lines)
    text = f"{rule}: {remedy}" if remedy else rule
    return JobFailed(
        f"{text}. Its last lines:{shown}" if lines else f"{text}. It printed nothing",
        exit_code=status.exit_code,
        reason=status.reason,
        out_of_memory=status.out_of_memory,
        last_lines=tuple(lines),
        cli_rule=text,
        table=work.job.output.table,
    )


def _what_happened(work: Work, status: Status, others: list[str]) -> tuple[str, str]:
    output, code = work.job.output, status.exit_code
    command = json.dumps(work.command[0]) if work.command else "of the image"
    if status.out_of_memory:
        limit = "its limit" if work.memory is None else f"its limit of {work.memory >> 20:,} MiB"
        return (
            f"the job for {output} was out of memory: it used more than {limit}",
            "raise memory, or set memory='auto', which doubles it at the next attempt",
        )
    if code == 0:
        return _gave_nothing(output, others)
    if code == NOT_FOUND:
        return f"the job for {output} has no command {command}", "correct it, or the image"
    words = f" ({status.reason})" if status.reason else ""
    if status.lacks_image:
        image = work.image or "of the task definition"
        return (
            f"the image {image} of the job for {output} cannot be pulled{words}",
            "push it, correct its name, or let the runner's role read it",
        )
    if code is None:
        return f"the process or container of the job for {output} was lost{words}", "run it again"
    signal = f", by signal {code - 128}" if code > 128 else ""  # noqa: PLR2004
    remedy = "its machine may be out of memory" if code == KILLED and not words else ""
    return f"the job for {output} failed with exit code {code}{signal}{words}", remedy


def _gave_nothing(output: Output, others: list[str]) -> tuple[str, str]:
    if others:
        return (
            f"the job for {output} wrote {', '.join(others)} instead",
            "name the table that it writes as its output, or undo those writes",
        )
    return (
        f"the job for {output} ended without a batch",
        "store one by `sfx.job.store(df)`, in R by `sf_job_store(df)`",
    )


def _lines(runner: Runner, job_id: str) -> list[str]:
    try:
        return runner.log(job_id, _LOGGED_LINES)
    except RunnerUnavailable as error:
        return [f"(the log cannot be read: {error})"]
