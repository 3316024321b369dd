"""Arguments and options that the commands of streams share."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from airflow_sfx.cli.options import moment_of

if TYPE_CHECKING:
    from airflow_sfx.streams.engine import Rules
    from airflow_sfx.streams.source import Source, Start

Function = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:FUNCTION", help="A portable function, of a module in this folder."
    ),
]
Stream = Annotated[
    str,
    typer.Option(
        "--stream", metavar="NAME", help="Stream of Kinesis, or topic of Kafka with --kafka."
    ),
]
Into = Annotated[
    str,
    typer.Option(
        "--into", metavar="DB.TABLE", help="Table of the rows, which is made if it is missing."
    ),
]
By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="KEY,…",
        help="Partition keys before the window: columns, or day, hour and minute.",
    ),
]
EventTime = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Column with the time of a row (default: when its record arrived)."
    ),
]
LateAfter = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="How long after its event time a record may arrive without being late: 10m, 2h.",
    ),
]
MaxAttempts = Annotated[
    int, typer.Option(min=1, help="Attempts with a record that the function fails on.")
]
EndpointUrl = Annotated[
    str, typer.Option(metavar="URL", help="Server of Kinesis (default: that of the AWS settings).")
]
Kafka = Annotated[
    str, typer.Option("--kafka", metavar="HOST:PORT", help="Brokers of Kafka, with commas.")
]
KafkaConfig = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Options of the Kafka client as lines NAME=VALUE, such as security.protocol=SSL.",
        exists=True,
        dir_okay=False,
    ),
]
OnExpired = Annotated[
    Literal["fail", "continue"],
    typer.Option(help="Fail where records of the stream expired unread, or continue after them."),
]
OnError = Literal["dead_letter", "stop"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def source_of(
    stream: str,
    endpoint_url: str,
    kafka: str,
    kafka_config: Path | None,
    on_expired: Literal["fail", "continue"] = "fail",
) -> Source:
    """Open the stream that options name."""
    from airflow_sfx.streams.opening import open_stream

    name = f"kafka:{stream.removeprefix('kafka:')}" if kafka else stream
    options = {} if kafka_config is None else _options_in(kafka_config)
    return open_stream(
        name, endpoint_url=endpoint_url, servers=kafka, options=options, on_expired=on_expired
    )


def _options_in(path: Path) -> dict[str, str]:
    """Return the options of a file, whose lines are as the tools of Kafka read them."""
    found: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"line {number} of {path} is not an option: write NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def rules_of(
    by: str, event_time: str | None, late_after: str | None, on_error: OnError, max_attempts: int
) -> Rules:
    """Return the rules that options name."""
    from airflow_sfx.streams.engine import Rules

    return Rules(
        partition_by=tuple(key.strip() for key in by.split(",") if key.strip()),
        event_time=event_time,
        late_after=_duration(late_after),
        on_error=on_error,
        max_attempts=max_attempts,
    )


def start_of(text: str) -> Start:
    """Return where the option ``--from`` starts.

    Example:
        >>> start_of("latest"), str(start_of("2016-11-01"))
        ('latest', '2016-11-01 00:00:00+00:00')
    """
    match text:
        case "latest" | "trim_horizon":
            return text
    found = moment_of(text)
    assert found is not None
    return found


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is not a duration: type one such as 30s, 10m, 2h or 1d")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
