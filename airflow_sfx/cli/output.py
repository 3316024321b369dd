"""Tables for people."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import zip_longest

import typer

from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.json_values import plain

_GAP = "  "


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    below: Sequence[str] = (),
) -> None:
    """Print a table; complete, without colours and one line a row where the output is not a terminal.

    Args:
        title: What it shows.
        columns: The headings.
        rows: The cells; None and empty text are shown as a dash.
        right: The headings of columns of numbers.
        below: The headings of columns that go to a line below the row where the terminal is too
            narrow for all.
    """
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    columns, right, below = ([visible(name) for name in names] for names in (columns, right, below))
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = _widths(columns, cells)
    if not sys.stdout.isatty():
        lines = [visible(title), *_lines(columns, cells, widths, right)]
        print("\n".join(lines))  # noqa: T201
        return
    console = Console(highlight=False)
    console.print(Text(visible(title), style="italic"), soft_wrap=True)
    notes: list[str] = []
    if below and _total(widths) > console.width:
        kept = [place for place, column in enumerate(columns) if column not in below]
        notes = [
            _note([row[place] for place in range(len(columns)) if place not in kept])
            for row in cells
        ]
        columns, cells = (
            [columns[place] for place in kept],
            [[row[place] for place in kept] for row in cells],
        )
        widths = [widths[place] for place in kept]
    for place, block in enumerate(_blocks(widths, console.width)):
        if place:
            console.print()
        some = [[row[one] for one in block] for row in cells]
        lines = _lines([columns[one] for one in block], some, [widths[one] for one in block], right)
        console.print(Text(lines[0], style="bold"), soft_wrap=True)
        for line, note in zip_longest(lines[1:], notes):
            console.print(Text(line), soft_wrap=True)
            if note:
                console.print(Padding(Text(note, style="dim"), (0, 0, 0, 4), expand=False))


def _blocks(widths: Sequence[int], room: int) -> list[list[int]]:
    """Which columns go side by side; where there is no room for all, the first one is repeated before the rest."""
    blocks: list[list[int]] = [[]]
    for place in range(len(widths)):
        block = [*blocks[-1], place]
        if len(blocks[-1]) > (len(blocks) > 1) and _total([widths[one] for one in block]) > room:
            blocks.append([0, place])
        else:
            blocks[-1] = block
    return blocks


def _note(parts: Sequence[str]) -> str:
    return " · ".join(part for part in parts if part != "-")


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


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
        lines.append(_GAP.join(padded).rstrip())
    return lines


def clean(value: object) -> str:
    r"""A value on one line: line breaks and what a terminal would act on are shown, not sent.

    Example:
        >>> clean("two\nlines"), clean(None)
        ('two\\nlines', '-')
    """
    return "-" if value is None or value == "" else visible(str(value))


def say(text: str, *, err: bool = False) -> None:
    """Print one line for people.

    Args:
        text: The line; what a terminal would act on is shown.
        err: Whether it goes to stderr.
    """
    typer.echo(visible(text), err=err)


def moment(value: datetime | None) -> str | None:
    """A time for people, in UTC to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if value else None


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


def number(count: float | None) -> str | None:
    """A number for people: counts with thousands apart, measures to six digits.

    Example:
        >>> number(336776), number(-0.0), number(12.640199)
        ('336,776', '0', '12.6402')
    """
    if isinstance(count, float):
        return f"{count + 0.0:.6g}"
    return None if count is None else f"{count:,}"


def counted(count: int, what: str) -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "row"), counted(2000, "row"), counted(2, "batch")
        ('1 row', '2,000 rows', '2 batches')
    """
    ending = "" if count == 1 else "es" if what.endswith("ch") else "s"
    return f"{count:,} {what}{ending}"


def change(before: object, after: object) -> str | None:
    """Two values for people: the one where they are equal, else both with an arrow."""
    if before == after:
        return None if before is None else f"{before}"
    return f"{'-' if before is None else before} → {'-' if after is None else after}"


def who(producer: Producer) -> str:
    """Who made a change, for people: the task instance, or the user and host."""
    if producer.dag_id:
        return " ".join(
            part for part in (producer.dag_id, producer.task_id, producer.run_id) if part
        )
    return "@".join(part for part in (producer.user, producer.host) if part)


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as one JSON document: dataclasses by their fields, times in ISO 8601 and UTC, pins as their own JSON."""
    print(  # noqa: T201
        visible_json(json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False))
    )


def ask(question: str, *, yes: bool, shown: Callable[[], None] = lambda: None) -> None:
    """Go on only if the user says so.

    Args:
        question: What to ask.
        yes: Whether they have said so already.
        shown: Shows what it is about.

    Raises:
        typer.BadParameter: There is nobody to ask.
        typer.Abort: They said no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            f"there is no terminal to ask on, {question!r}: pass --yes to do it without asking"
        )
    shown()
    typer.confirm(visible(question), abort=True, err=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is under way, on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(visible(what))):
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far something has come, on a terminal; gives a function that is told how much of how much is done."""
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
        task = progress.add_task(escape(visible(what)), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


# Letters and marks that have no shape; what is not printable for Python has none or acts on others.
_SHAPELESS = frozenset(
    {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)}
) | frozenset(range(0xE0100, 0xE01F0))


class _Spelt(dict[int, str]):
    """For `str.translate`: each character as it is shown, found out once."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isprintable() and code not in _SHAPELESS:
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


_IN_TEXT, _IN_JSON = _Spelt(as_json=False), _Spelt(as_json=True)


def visible(text: str) -> str:
    r"""A text on one line, of characters that are seen.

    Example:
        >>> visible("two\nlines"), visible("in\u202egpj.exe"), visible("Zoë 東京 🎩")
        ('two\\nlines', 'in\\u202egpj.exe', 'Zoë 東京 🎩')
    """
    return text.translate(_IN_TEXT)


def visible_json(document: str) -> str:
    r"""A JSON document that reads as the same values, of characters that are seen; line breaks between them stay.

    Example:
        >>> visible_json('{"reason": "in\u202egpj.exe"}')
        '{"reason": "in\\u202egpj.exe"}'
    """
    return document.translate(_IN_JSON)


class VisibleFormatter(logging.Formatter):
    """Formats a record of the log as one line of characters that are seen."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return visible(super().format(record))
