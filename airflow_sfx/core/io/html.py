"""Values as tables in a notebook, without pandas."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_SHOWN = 60
"""How many rows a notebook shows."""


def html_table(title: str, rows: Sequence[tuple[str, object]]) -> str:
    """Return a title and a table of two columns, without rows that have no value.

    Args:
        title: The title.
        rows: The cells.

    Example:
        >>> html_table("<b>", [("partition", "1"), ("reason", "")])
        '<p>&lt;b&gt;</p><table><tr><th>partition</th><td>1</td></tr></table>'
    """
    some = [(name, value) for name, value in rows if value not in (None, "", ())]
    more = f", of which {_SHOWN} are shown" if len(some) > _SHOWN else ""
    cells = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in some[:_SHOWN]
    )
    return f"<p>{escape(title)}{more}</p><table>{cells}</table>"
