"""Run the code of a page of the documentation.

Its Python sessions run as one doctest, its console commands unchanged.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(page.read_text()) if kind == language]


def steps(page: Path) -> list[str]:
    """Return the page's Python sessions and its `$ ` commands, in their order."""
    found: list[str] = []
    for kind, text in _BLOCK.findall(page.read_text()):
        if kind == "console":
            found += [line[2:] for line in text.splitlines() if line.startswith("$ ")]
        elif kind == "python" and text.startswith(">>>"):
            found.append(text)
    return found


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub writes them."""
    text = _BLOCK.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def run_sessions(page: Path) -> int:
    """Run the page's Python sessions in a new process; return the number of examples."""
    sessions = [text for text in blocks(page, "python") if text.startswith(">>>")]
    text = "\n".join(sessions)
    done = subprocess.run(
        [sys.executable, "-c", DOCTESTS, str(page)],
        input=text,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return len(doctest.DocTestParser().get_examples(text))


DOCTESTS = """
import doctest, sys
test = doctest.DocTestParser().get_doctest(sys.stdin.read(), {}, sys.argv[1], sys.argv[1], 0)
sys.exit(doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed)
"""


def run_commands(page: Path) -> list[str]:
    """Run the page's `$ ` commands one after another; returns them."""
    found = [
        line[2:]
        for text in blocks(page, "console")
        for line in text.splitlines()
        if line.startswith("$ ")
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in found:
        done = subprocess.run(
            command,
            shell=True,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return found
