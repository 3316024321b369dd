"""The calls of a script in R that is a job: its inputs, parameters and result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.session import exchange

Arguments = dict[str, Any]


def about(_: Path, args: Arguments) -> object:
    """Return the pins of the job's inputs by name, and its parameters."""
    from airflow_sfx.jobs import job

    _no_others(args)
    found = job.current()
    pins = {name: pin.to_json() for name, pin in found.inputs.items()}
    return {"inputs": pins, "parameters": dict(found.parameters)}


def load(folder: Path, args: Arguments) -> object:
    """Write the rows of an input."""
    from airflow_sfx.jobs import job

    path, name = exchange.path_of(folder, args.pop("file", "")), str(args.pop("name", ""))
    int64 = str(args.pop("int64", "integer64"))
    _no_others(args)
    inputs = job.inputs()
    if name not in inputs.pins:
        raise InvalidName(
            f"the job has no input {name!r:.80}", remedy=f"its inputs are {sorted(inputs.pins)}"
        )
    table = inputs.load(name, as_="arrow")
    exchange.write_frame(path, table, int64)
    return {"rows": table.num_rows}


def store(folder: Path, args: Arguments) -> object:
    """Store the job's batch."""
    from airflow_sfx.jobs import job

    frame = exchange.read_frame(exchange.path_of(folder, args.pop("file", "")))
    types = args.pop("types", None)
    _no_others(args)
    return job.store(frame, types=types).to_json()


def _no_others(args: Arguments) -> None:
    if args:
        raise InvalidName(f"there is no argument {min(args)!r:.80} of this call")


CALLS = {"job": about, "job_load": load, "job_store": store}
