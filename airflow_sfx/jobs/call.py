"""Call the function of a job on its inputs, and store the frame that it returns.

``python -m airflow_sfx.jobs.call`` is the command of jobs made by ``@task.batch_container``.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.jobs import job
from airflow_sfx.jobs.contract import Job

_FILE = "<the function of the job>"


def call(this: Job) -> BatchPin:
    """Call the job's function, and store its frame.

    Args:
        this: The job.

    Returns:
        The pin of the batch.

    Raises:
        InvalidName: The job has no function.
        TypeError: The function did not return a frame.
    """
    if this.function is None:
        raise InvalidName("the job has no function to call: run its command")
    names: dict[str, Any] = {"__name__": "sfx_job"}
    source = this.function.source
    linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
    exec(compile(source, _FILE, "exec"), names)  # noqa: S102  the task's own function
    function = names[_last_function(source)]
    inputs = job.inputs()
    arguments: dict[str, Any] = {
        name: inputs.load(name, as_=kind) if (kind := this.function.frames.get(name)) else pin
        for name, pin in inputs.pins.items()
    }
    frame = function(**arguments, **this.parameters)
    if not (_is_frame(frame) or isinstance(frame, Iterator)):
        raise TypeError(
            f"the function returned {frame!r:.80} of the type {type(frame).__name__}: return a"
            " pandas or polars DataFrame, a pyarrow Table or an iterator of them"
        )
    return job.store(frame)


def _is_frame(value: object) -> bool:
    return hasattr(value, "__arrow_c_stream__")


def _last_function(source: str) -> str:
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)][-1]


if __name__ == "__main__":
    print(call(job.current()))  # noqa: T201  the last line of the log
