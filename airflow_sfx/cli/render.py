"""Tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer

_WIDE = 500


def as_json(value: object) -> None:
    """Print a value as one JSON document: dataclasses by their fields, times in ISO 8601, pins as their own JSON."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False))  # noqa: T201


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """Print a table; complete, without colours and one line a row where the output is not a terminal.

    Args:
        title: What it shows.
        columns: The headings.
        rows: The cells; None is shown as a dash.
        right: The headings of columns of numbers.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _WIDE, soft_wrap=not terminal)
    grid = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=not terminal)
    for row in rows:
        grid.add_row(*(Text("-" if cell is None or cell == "" else str(cell)) for cell in row))
    console.print(grid)


def moment(value: datetime | None) -> str | None:
    """A time for people, in UTC to the second."""
    return f"{value:%Y-%m-%d %H:%M:%S}" if value else None


def size(count: int | None) -> str | None:
    """A number of bytes for people.

    Example:
        >>> size(278), size(45_000_000)
        ('278 B', '42.9 MiB')
    """
    if count is None:
        return None
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:  # noqa: PLR2004
        value, units = value / 1024, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def number(count: int | None) -> str | None:
    """A count for people."""
    return None if count is None else f"{count:,}"


def who(producer: Producer) -> str:
    """Who made a change, for people: the task instance, or the user and host."""
    if producer.dag_id:
        return f"{producer.dag_id} {producer.task_id} {producer.run_id}"
    return "@".join(part for part in (producer.user, producer.host) if part)


def _plain(value: object) -> object:
    if isinstance(value, BatchPin):
        return json.loads(value.to_json())
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return value
