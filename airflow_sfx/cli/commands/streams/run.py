"""The commands `sfx stream run` and `sfx stream replay`: records into a table."""

from __future__ import annotations

import os
import signal
import time
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.commands.streams.choices import (
    By,
    EndpointUrl,
    EventTime,
    Function,
    Into,
    Kafka,
    KafkaConfig,
    LateAfter,
    MaxAttempts,
    OnError,
    OnExpired,
    Stream,
    rules_of,
    source_of,
    start_of,
)
from airflow_sfx.cli.commands.streams.figures import Figures
from airflow_sfx.cli.options import DryRun, Json, Settings, moment_of, table_of

if TYPE_CHECKING:
    from airflow_sfx.streams.consumer import Consumer, Progress
    from airflow_sfx.streams.replay import Replayed

_TOGETHER = 1.0
"""For how long after the first signal others are the same request, in seconds."""
_EVERY = 10.0
"""How often progress is printed, in seconds."""


def run(
    context: typer.Context,
    function: Function,
    stream: Stream,
    into: Into,
    by: By = "",
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="WHERE",
            help="Where a table starts without a position: trim_horizon, latest, or a time.",
        ),
    ] = "trim_horizon",
    event_time: EventTime = None,
    late_after: LateAfter = None,
    on_error: Annotated[
        OnError,
        typer.Option(help="A record that fails becomes a dead letter, or its shard stops there."),
    ] = "dead_letter",
    max_attempts: MaxAttempts = 3,
    window: Annotated[
        float, typer.Option(min=0.01, help="Seconds of records that are one commit.")
    ] = 1.0,
    max_records: Annotated[int, typer.Option(min=1, help="Most records of a commit.")] = 20_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Most bytes of its records.")] = 64 << 20,
    endpoint_url: EndpointUrl = "",
    kafka: Kafka = "",
    kafka_config: KafkaConfig = None,
    on_expired: OnExpired = "fail",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Answer GET /metrics there, with the lag, for Prometheus."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each commit.")
    ] = False,
) -> None:
    """Consume a stream into a table until this process gets SIGINT or SIGTERM.

    Several such processes share the stream's shards. A record is in the table once, whatever ends
    them.
    """
    from airflow_sfx.portability.named import function_named
    from airflow_sfx.streams.consumer import Consumer, Pace

    rules = rules_of(by, event_time, late_after, on_error, max_attempts)
    place = start_of(start)
    table = table_of(into)
    warehouse = _warehouse(context.obj)
    with source_of(stream, endpoint_url, kafka, kafka_config, on_expired) as source:
        figures = Figures(str(table), source.stream)
        printed = _print_json if as_json else _Printer()

        def report(progress: Progress) -> None:
            figures.count(progress)
            printed(progress)

        consumer = Consumer(
            warehouse,
            source,
            function_named(function),
            table,
            rules,
            start=place,
            pace=Pace(window=window, max_records=max_records, max_bytes=max_bytes),
            report=report,
        )
        _stop_on_signals(consumer)
        with figures.served(metrics) if metrics else nullcontext():
            output.say(f"consuming {source.stream} into {table}", err=True)
            consumer.run()


def replay(
    context: typer.Context,
    function: Function,
    stream: Stream,
    into: Into,
    since: Annotated[
        str,
        typer.Option(
            "--from", metavar="TIME", help="Replace the commits since then: 2016-11-01T12:00Z, 36h."
        ),
    ],
    by: By = "",
    event_time: EventTime = None,
    late_after: LateAfter = None,
    max_attempts: MaxAttempts = 3,
    endpoint_url: EndpointUrl = "",
    kafka: Kafka = "",
    kafka_config: KafkaConfig = None,
    dry_run: DryRun = True,
    as_json: Json = False,
) -> None:
    """Read records of a table again, and replace their windows by those of a corrected function.

    The stream must still have the records. Each earlier commit is replaced by one; if the command
    is interrupted, run it again.
    """
    from airflow_sfx.portability.named import function_named
    from airflow_sfx.streams.replay import replay as replayed

    rules = rules_of(by, event_time, late_after, "dead_letter", max_attempts)
    moment = moment_of(since)
    assert moment is not None
    warehouse = _warehouse(context.obj)
    with source_of(stream, endpoint_url, kafka, kafka_config) as source:
        done = replayed(
            warehouse,
            source,
            function_named(function),
            table_of(into),
            rules,
            moment,
            dry_run=dry_run,
        )
    if as_json:
        output.print_json(done)
        return
    _print_replayed(done, dry_run=dry_run)


def _print_replayed(done: list[Replayed], *, dry_run: bool) -> None:
    columns = ["version", "at", "rows before", *(() if dry_run else ("records", "rows"))]
    rows: list[list[Any]] = [
        [one.version, one.at, one.before, *(() if dry_run else (one.records, one.rows))]
        for one in done
    ]
    title = f"{output.counted(len(done), 'commit')} {'to replay' if dry_run else 'replayed'}"
    output.table(title, columns, rows, right=["version", *columns[2:]], none="nothing to replay")


def _warehouse(settings: Settings) -> Any:
    """Return the warehouse, which is that of the function's aggregates, too."""
    from airflow_sfx._default import VARIABLE

    if settings.uri:
        os.environ[VARIABLE] = settings.uri
    return settings.new_warehouse


def _stop_on_signals(consumer: Consumer) -> None:
    """Stop cleanly at the first signal, and at once at one that comes later.

    The command `timeout` sends a signal to the process and to its group, so that two come together.
    """
    asked = 0.0

    def stop(number: int, frame: object) -> None:
        nonlocal asked
        if not asked:
            asked = time.monotonic()
            consumer.stop()
        elif time.monotonic() - asked > _TOGETHER:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, stop)


def _print_json(progress: Progress) -> None:
    behind = progress.behind
    values = {name: getattr(progress, name) for name in progress.__slots__ if name != "behind"}
    values["behind_seconds"] = None if behind is None else behind.total_seconds()
    output.print_json(values, indent=None)


class _Printer:
    """Prints what happened now and then, and at once why a shard stopped."""

    def __init__(self) -> None:
        self._records = self._rows = self._dead = 0
        self._due = 0.0

    def __call__(self, progress: Progress) -> None:
        self._records += progress.records
        self._rows += progress.rows
        self._dead += progress.dead
        for shard, why in progress.stopped.items():
            output.say(f"the shard {shard} stops at the record {why}", err=True)
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _EVERY
        output.say(
            f"{progress.at:%H:%M:%S} {output.counted(self._records, 'record')},"
            f" {output.counted(self._rows, 'row')}, {output.counted(self._dead, 'dead letter')},"
            f" {output.counted(progress.shards, 'shard')}{_behind(progress.behind)}"
        )
        self._records = self._rows = self._dead = 0


def _behind(time: timedelta | None) -> str:
    return "" if time is None else f", {time.total_seconds():.1f} s behind"
