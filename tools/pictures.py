"""Draw the pictures of the page in the docs anew, by the tests of the page that show them.

Usage: ``python tools/pictures.py [NAME…]``, by default all pictures. It runs the tests that draw
them in a real Airflow, and replaces only files in ``docs/pictures`` that a page of the docs shows.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/pictures"
LARGEST = 150_000
"""Most bytes of a picture."""

_SHOWN = re.compile(r"\]\((?:\.\./\.\./docs/)?pictures/([\w-]+)\.png\)")
_DRAWN = re.compile(r"picture\(page, \"([\w-]+)\"\)")


def shown() -> set[str]:
    """Return the names of the pictures that the docs show."""
    folders = (ROOT / "docs", ROOT / "dags_examples")
    pages = (page.read_text() for folder in folders for page in folder.rglob("*.md"))
    return {name for page in pages for name in _SHOWN.findall(page)}


def drawn() -> dict[str, Path]:
    """Return the names of the pictures that tests draw, and the file of each test."""
    tests = sorted((ROOT / "tests/airflow").rglob("test_*.py"))
    return {name: test for test in tests for name in _DRAWN.findall(test.read_text())}


def draw(names: set[str]) -> list[str]:
    """Draw pictures, and return what went wrong."""
    tests = drawn()
    with tempfile.TemporaryDirectory() as folder:
        files = sorted({str(tests[name].relative_to(ROOT)) for name in names})
        run = subprocess.run(  # noqa: S603  our own tests
            [sys.executable, "-m", "pytest", "-q", "-n", "0", *files],
            cwd=ROOT,
            env={**os.environ, "SFX_PICTURES": folder},
            check=False,
        )
        made = {one.stem: one for one in Path(folder).glob("*.png")}
        large = {name for name in names & made.keys() if made[name].stat().st_size > LARGEST}
        for name in (names & made.keys()) - large:
            shutil.copy(made[name], PICTURES / f"{name}.png")
    missing = [f"{name}.png was not drawn" for name in sorted(names - made.keys())]
    failed = ["a test failed"] if run.returncode else []
    return [
        *failed,
        *missing,
        *(f"{name}.png is larger than {LARGEST} bytes" for name in sorted(large)),
    ]


def main() -> None:
    """Draw the pictures that are named, or all."""
    known = shown() & drawn().keys()
    names = set(sys.argv[1:]) or known
    if names - known:
        sys.exit(f"no test draws, or no page shows: {', '.join(sorted(names - known))}")
    sys.exit("\n".join(draw(names)) or None)


if __name__ == "__main__":
    main()
