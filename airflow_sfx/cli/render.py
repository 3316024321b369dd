"""Tables for people."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from airflow_sfx.core.producer import Producer

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
        below: The headings of columns that go to a line below the row where the terminal is too narrow for all.
    """
    from rich.console import Console

    cells = [[clean(cell) for cell in row] for row in rows]
    widths = _widths(columns, cells)
    if not sys.stdout.isatty():
        lines = [title, *_lines(columns, cells, widths, right)]
        print("\n".join(lines))  # noqa: T201
        return
    console = Console(highlight=False)
    kept = [place for place, column in enumerate(columns) if column not in below]
    if _total(widths) <= console.width:
        _print(console, title, _lines(columns, cells, widths, right), [()] * len(cells))
    elif below and _total([widths[place] for place in kept]) <= console.width:
        notes = [[row[place] for place, column in enumerate(columns) if column in below] for row in cells]
        short = [[row[place] for place in kept] for row in cells]
        headings = [columns[place] for place in kept]
        _print(console, title, _lines(headings, short, _widths(headings, short), right), notes)
    else:
        _fold(console, title, columns, cells, right)


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _lines(
    columns: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[str]
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


def _print(console: object, title: str, lines: Sequence[str], notes: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    assert isinstance(console, Console)
    console.print(Text(title, style="italic"))
    console.print(Text(lines[0], style="bold"), no_wrap=True)
    for line, note in zip(lines[1:], notes, strict=True):
        console.print(Text(line), no_wrap=True)
        words = " · ".join(part for part in note if part != "-")
        if words:
            console.print(Padding(Text(words, style="dim"), (0, 0, 0, 4)))


def _fold(
    console: object, title: str, columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[str]
) -> None:
    """A table whose cells are folded to the width of the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    assert isinstance(console, Console)
    grid = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in cells:
        grid.add_row(*(Text(cell) for cell in row))
    console.print(grid)


def clean(value: object) -> str:
    r"""A value on one line: line breaks and what a terminal would act on are shown, not sent.

    Example:
        >>> clean("two\nlines"), clean(None)
        ('two\\nlines', '-')
    """
    if value is None or value == "":
        return "-"
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in ("Cc", "Cs") else char
        for char in str(value)
    )


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
    """A number for people: counts with thousands apart, measures to six digits."""
    if isinstance(count, float):
        return f"{count:.6g}"
    return None if count is None else f"{count:,}"


def counted(count: int, what: str) -> str:
    """A count with its noun.

    Example:
        >>> counted(1, "row"), counted(2000, "row")
        ('1 row', '2,000 rows')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def change(before: object, after: object) -> str | None:
    """Two values for people: the one where they are equal, else both with an arrow."""
    if before == after:
        return None if before is None else f"{before}"
    return f"{'-' if before is None else before} → {'-' if after is None else after}"


def who(producer: Producer) -> str:
    """Who made a change, for people: the task instance, or the user and host."""
    if producer.dag_id:
        return " ".join(part for part in (producer.dag_id, producer.task_id, producer.run_id) if part)
    return "@".join(part for part in (producer.user, producer.host) if part)
