"""Draw the charts of docs/tutorial-models.md, by running the page.

Usage: ``python tools/delay_charts.py``. It runs the page's session in a warehouse of its own, and
writes ``docs/pictures/delays-nights.svg`` and ``docs/pictures/delays-why.svg`` with its numbers.
"""

from __future__ import annotations

import doctest
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/tutorial-models.md"
PICTURES = ROOT / "docs/pictures"
GREY, BLUE, RED = "#777777", "#1f77b4", "#d62728"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 270, 60, 44, 46
Point = tuple[float, float]


def session() -> dict[str, Any]:
    """Run the page in a warehouse of its own, and return its variables."""
    blocks = re.findall(r"^```python\n(>>>.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SFX_WAREHOUSE"] = f"embedded://{folder}"
        found = doctest.DocTestRunner().run(test, clear_globs=False)
    if found.failed:
        sys.exit(f"{found.failed} examples of {PAGE.name} failed")
    return test.globs


def nights_chart(shares: Any) -> str:
    """Draw how many departures of each night were late, and what the versions predict.

    Args:
        shares: A row for each night, with the columns late, first and second.
    """
    top = 0.7
    step = (WIDTH - LEFT - 190) / (len(shares) - 1)
    high = HEIGHT - TOP - BOTTOM

    def place(number: int, share: float) -> Point:
        return LEFT + number * step, TOP + high * (1 - share / top)

    parts = [text(LEFT - 44, 22, "Share of departures that are late", bold=True)]
    for share in (0.0, 0.2, 0.4, 0.6):
        x, y = place(0, share)
        parts.append(line([(x, y), (place(len(shares) - 1, 0)[0], y)], "#dddddd", 1))
        parts.append(text(x - 8, y + 4, f"{share:.0%}", anchor="end"))
    for number, night in enumerate(shares.index):
        parts.append(text(place(number, 0)[0], HEIGHT - 24, night[8:].lstrip("0"), anchor="middle"))
    parts.append(text(place(0, 0)[0], HEIGHT - 6, "March 2013"))
    lines = {
        "late": ("were late", GREY),
        "first": ("first version predicts", BLUE),
        "second": ("second version predicts", RED),
    }
    for name, (label, colour) in lines.items():
        points = [place(number, share) for number, share in enumerate(shares[name])]
        parts.append(line(points, colour, 2.5, dashed=name == "late"))
        # what was late is named at its peak, the others at their ends
        x, y = min(points, key=lambda point: point[1]) if name == "late" else points[-1]
        parts.append(text(x + 10, y + 4, label, colour=colour))
    return svg("How many departures were late, and how many each version predicted", parts)


def why_chart(metrics: Sequence[Any], why: Any) -> str:
    """Draw the metrics of both versions, and the shares of a change.

    Args:
        metrics: The metrics of the two versions.
        why: What `explain_change` returned.
    """
    parts = [text(16, 22, "Metrics of both versions", bold=True)]
    low, high, left, right = 0.5, 0.71, 60, 330
    for number, name in enumerate(metrics[0]):
        y = 60 + number * 92
        parts.append(text(16, y, name))
        for place, (found, colour) in enumerate(zip(metrics, (BLUE, RED), strict=True)):
            width = (found[name] - low) / (high - low) * (right - left)
            top = y + 10 + place * 26
            parts.append(bar(left, top, width, 20, colour))
            parts.append(text(left - 6, top + 15, ("first", "second")[place], anchor="end"))
            parts.append(text(left + width + 6, top + 15, f"{found[name]:.3f}", colour=colour))
    parts.append(text(left, HEIGHT - 10, f"bars begin at {low}, which is guessing", colour=GREY))
    begin, scale = 660, 4200
    parts.append(text(430, 22, f"Why {why.metric} changed by {why.change:+.3f}", bold=True))
    parts.append(line([(begin, 44), (begin, HEIGHT - 30)], "#999999", 1))
    for number, share in enumerate(why.shares):
        y = 70 + number * 64
        width = abs(share.share) * scale
        parts.append(bar(begin - width if share.share < 0 else begin, y, width, 28, BLUE))
        parts.append(
            text(
                begin - width - 8 if share.share < 0 else begin - 8,
                y + 19,
                f"{share.cause} {share.share:+.3f}",
                anchor="end",
            )
        )
    return svg("Metrics of both versions, and how much of the change is due to what", parts)


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    colour: str = "#222222",
    bold: bool = False,
) -> str:
    """Return a text of an SVG."""
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}"{weight}>{words}</text>'


def line(points: Sequence[Point], colour: str, width: float, *, dashed: bool = False) -> str:
    """Return a line of an SVG."""
    through = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="6 4"' if dashed else ""
    return (
        f'<polyline points="{through}" fill="none" stroke="{colour}"'
        f' stroke-width="{width}"{dashes}/>'
    )


def bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    """Return a bar of an SVG."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def svg(title: str, parts: Sequence[str]) -> str:
    """Return an SVG with a title for screen readers."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        ' font-family="sans-serif" font-size="13" role="img">'
    )
    lines = [head, f"<title>{title}</title>", bar(0, 0, WIDTH, HEIGHT, "#ffffff"), *parts, "</svg>"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draw both charts."""
    sys.path.insert(0, str(ROOT))
    found = session()
    versions, nights = found["versions"], found["nights"]
    shares = nights.predicted_and_late(versions, nights.days("2013-03-01", "2013-03-14"))
    shares = shares.set_axis(["late", "first", "second"], axis=1)
    (PICTURES / "delays-nights.svg").write_text(nights_chart(shares))
    metrics = [one.metrics for one in versions]
    (PICTURES / "delays-why.svg").write_text(why_chart(metrics, found["why"]))


if __name__ == "__main__":
    main()
