"""The most memory that a job has used, from Linux's accounting."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from airflow_sfx.jobs.contract import VARIABLE

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of a unit of ``ru_maxrss``."""


def peak_memory() -> int:
    """Return the most memory of this process, its children and the parents of its job, in bytes.

    A job that is not in Python stores through a child process: its own memory is that of a parent,
    up to the one that the runner started. Children that have ended count if the largest of them
    took more than this process, as Linux starts the account of a child with its parent's memory.
    """
    own = _own()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT
    return own + (children if children > own else 0) + sum(map(_peak_of, _parents()))


def _own() -> int:
    """Return the most memory of this program; ``ru_maxrss`` has that of who started it, too."""
    return _peak_of(os.getpid()) or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _parents() -> list[int]:
    """Return the processes above this one that belong to its job."""
    found, parent = list[int](), os.getppid()
    while parent > 0 and _is_of_job(parent):
        found.append(parent)
        parent = int(_status(parent).get("PPid", "0"))
    return found


def _is_of_job(process: int) -> bool:
    try:
        environment = Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return False
    return f"\0{VARIABLE}=".encode() in b"\0" + environment


def _peak_of(process: int) -> int:
    return int(_status(process).get("VmHWM", "0").split()[0]) * 1024


def _status(process: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
