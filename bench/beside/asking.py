"""A process that answers questions, a JSON line each."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def asking(
    command: Sequence[str | Path], name: str, *, patience: float = 30, **settings: Any
) -> Iterator[Callable[..., Any]]:
    """Run a process that answers on standard output what it is asked on standard input.

    Args:
        command: The process.
        name: What errors name it.
        patience: How many seconds it may take to end once nothing is left to ask.
        settings: More settings of `subprocess.Popen`.

    Yields:
        A function that asks with its named arguments, and returns the answer.
    """
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **settings
    )
    assert process.stdin is not None
    assert process.stdout is not None
    questions, answers = process.stdin, process.stdout

    def ask(**question: object) -> Any:
        questions.write(json.dumps(question) + "\n")
        questions.flush()
        line = answers.readline()
        if not line:
            raise RuntimeError(f"{name} ended at {question}")
        return json.loads(line)

    try:
        yield ask
    finally:
        questions.close()
        process.wait(patience)
