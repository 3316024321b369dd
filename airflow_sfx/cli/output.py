"""Output of the commands: text, tables, JSON, and progress on a terminal.

Everything printed goes through `visible` or `visible_json`: names, reasons and values come from
other people, and their characters must not control a terminal.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING

import typer

from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse import words
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.words import (
    counted as counted,  # noqa: PLC0414  the commands use them as output.counted
    moment as moment,  # noqa: PLC0414  the commands use them as output.moment
    number as number,  # noqa: PLC0414  the commands use them as output.number
    operation as operation,  # noqa: PLC0414  the commands use them as output.operation
    size as size,  # noqa: PLC0414  the commands use them as output.size
)

if TYPE_CHECKING:
    from airflow_sfx.warehouse.history.commits import TableCommit
    from airflow_sfx.warehouse.pins.trained import TrainedVersion

_COLUMN_GAP = "  "

# Visible text: invisible characters are escaped.

# Printable characters without a shape; Python counts all other invisible characters as unprintable.
_BLANK = frozenset(
    {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)}
) | frozenset(range(0xE0100, 0xE01F0))


class _Escapes(dict[int, str]):
    """A table for `str.translate` that is filled as characters occur."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isprintable() and code not in _BLANK:
            self[code] = char
        elif self._as_json:
            self[code] = (
                char
                if char == "\n"
                else json.dumps(char)[1:-1]
                if code > 0x7E  # noqa: PLR2004
                else f"\\u{code:04x}"
            )
        else:
            self[code] = char.encode("unicode_escape").decode()
            if self[code] == char:
                self[code] = f"\\x{code:02x}"
        return self[code]


_TEXT_ESCAPES, _JSON_ESCAPES = _Escapes(as_json=False), _Escapes(as_json=True)


def visible(text: str) -> str:
    r"""Return a text on one line, with invisible characters escaped.

    Example:
        >>> visible("two\nlines"), visible("in\u202egpj.exe"), visible("Zoë 東京 🎩")
        ('two\\nlines', 'in\\u202egpj.exe', 'Zoë 東京 🎩')
    """
    return text.translate(_TEXT_ESCAPES)


def visible_json(document: str) -> str:
    r"""Return a JSON document with invisible characters escaped, and the same values.

    Line breaks between the values stay.

    Example:
        >>> visible_json('{"reason": "in\u202egpj.exe"}')
        '{"reason": "in\\u202egpj.exe"}'
    """
    return document.translate(_JSON_ESCAPES)


class VisibleFormatter(logging.Formatter):
    """Formatter of log records on one line, with invisible characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return visible(super().format(record))


def clean(value: object) -> str:
    r"""Return a value as visible text on one line, and a dash for None and empty text.

    Example:
        >>> clean("two\nlines"), clean(None)
        ('two\\nlines', '-')
    """
    return words.NONE if value is None or value == "" else visible(str(value))


def say(text: str, *, err: bool = False) -> None:
    """Print one line of visible text.

    Args:
        text: The line.
        err: Whether to print it to stderr.
    """
    typer.echo(visible(text), err=err)


# Values for people.


def change(before: object, after: object) -> str | None:
    """Return two values with an arrow, or the one value if they are equal."""
    if before == after:
        return None if before is None else f"{before}"
    return f"{'-' if before is None else before} → {'-' if after is None else after}"


def why(entry: LogEntry | TableCommit) -> str:
    """Return the reason of a change, with the batches that it expired or discarded."""
    return words.why(entry.reason, entry.retired, entry.discarded)


def who(producer: Producer) -> str:
    """Return the producer: the task instance and its backfill, or the user and host."""
    if producer.dag_id:
        backfill = f"(backfill {producer.backfill_id})" if producer.backfill_id else None
        parts = (producer.dag_id, producer.task_id, producer.run_id, backfill)
        return " ".join(part for part in parts if part)
    return "@".join(part for part in (producer.user, producer.host) if part)


def batch(
    batch_id: str,
    rows: int | None,
    at: datetime | None,
    producer: Producer,
    *,
    done: str = "written",
) -> str:
    """Return a batch with its rows, and when and by whom it was written or published."""
    size_ = counted(rows, "row") if rows is not None else "unknown rows"
    return f"{batch_id}  {size_}, {done} {moment(at)} by {who(producer) or 'unknown'}"


_MODELS = 20
"""How many models a text names."""


def models(found: Iterable[TrainedVersion], what: str, *, err: bool = False) -> None:
    """Print the versions of models that were trained on something; nothing without any.

    Args:
        found: The versions.
        what: What they were trained on.
        err: Whether to print them to stderr.
    """
    some = list(found)
    if some:
        say(f"models trained on {what}: {counted(len(some), 'version')}", err=err)
    for one in some[:_MODELS]:
        say(f"  {one}", err=err)
    if len(some) > _MODELS:
        say(f"  and {counted(len(some) - _MODELS, 'more version')}", err=err)


# Tables.


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    below: Sequence[str] = (),
    none: str = "",
) -> None:
    """Print a table, or a sentence if it has no rows.

    On a terminal, a table that is too wide is split into blocks of columns. Elsewhere it has no
    colours, and one line per row.

    Args:
        title: The title.
        columns: The headings.
        rows: The cells; None and empty text are shown as a dash.
        right: The headings of right-aligned columns.
        below: The headings of columns to print below each row if the terminal is too narrow.
        none: The sentence for no rows; by default the title after "no".
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    columns, right, below = ([visible(name) for name in names] for names in (columns, right, below))
    cells = [[clean(cell) for cell in row] for row in rows]
    if not cells:
        say(none or f"no {title}")
        return
    widths = _widths(columns, cells)
    if not sys.stdout.isatty():
        lines = [visible(title), *_lines(columns, cells, widths, right)]
        print("\n".join(lines))  # noqa: T201
        return
    console = Console(highlight=False)
    console.print(Text(visible(title), style="italic"), soft_wrap=True)
    second_lines: list[str] = []
    if below and _total(widths) > console.width:
        kept = [index for index, column in enumerate(columns) if column not in below]
        moved = [index for index, column in enumerate(columns) if column in below]
        second_lines = [_joined([row[index] for index in moved]) for row in cells]
        columns, cells = (
            [columns[index] for index in kept],
            [[row[index] for index in kept] for row in cells],
        )
        widths = [widths[index] for index in kept]
    for position, block in enumerate(_blocks(widths, console.width)):
        if position:
            console.print()
        some = [[row[index] for index in block] for row in cells]
        lines = _lines(
            [columns[index] for index in block], some, [widths[index] for index in block], right
        )
        console.print(Text(lines[0], style="bold"), soft_wrap=True)
        for line, second in zip_longest(lines[1:], second_lines):
            console.print(Text(line), soft_wrap=True)
            if second:
                console.print(Padding(Text(second, style="dim"), (0, 0, 0, 4), expand=False))


def _blocks(widths: Sequence[int], available: int) -> list[list[int]]:
    """Split columns into blocks that fit; all begin with the first column."""
    blocks: list[list[int]] = [[]]
    for index in range(len(widths)):
        block = [*blocks[-1], index]
        least = 1 if len(blocks) == 1 else 2  # a block has a column of its own, even if too wide
        if len(blocks[-1]) >= least and _total([widths[one] for one in block]) > available:
            blocks.append([0, index])
        else:
            blocks[-1] = block
    return blocks


def _joined(parts: Sequence[str]) -> str:
    return " · ".join(part for part in parts if part != "-")


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_COLUMN_GAP) * (len(widths) - 1)


def _lines(
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
    right: Sequence[str],
) -> list[str]:
    from rich.cells import cell_len

    lines = []
    for row in (columns, *cells):
        padded = []
        for column, cell, width in zip(columns, row, widths, strict=True):
            space = " " * (width - cell_len(cell))
            padded.append(space + cell if column in right else cell + space)
        lines.append(_COLUMN_GAP.join(padded).rstrip())
    return lines


# JSON.


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as a JSON document.

    Dataclasses are objects of their fields, times are ISO 8601 in UTC, pins are as `to_json`.

    Args:
        value: The value.
        indent: The indentation, or None for one line.
    """
    print(  # noqa: T201
        visible_json(json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False))
    )


# Progress on a terminal.


@contextmanager
def waiting(activity: str) -> Iterator[None]:
    """Show an activity on a terminal while the block runs."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(visible(activity))):
        yield


@contextmanager
def counting(activity: str) -> Iterator[Callable[[int, int], None]]:
    """Show progress on a terminal; yield a function of the count and total."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:2],
        MofNCompleteColumn(),
    )
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task(escape(visible(activity)), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
