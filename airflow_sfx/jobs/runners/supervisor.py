"""The supervisor of a job: starts the command, limits it, and records its end.

``python -m airflow_sfx.jobs.runners.supervisor FOLDER``. It needs the standard library only, and
holds the folder's lock as long as it lives. If it is killed, the kernel kills the command.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

_LOOK_SECONDS, _GRACE_SECONDS = 0.05, 5.0
_PARENT_DIES = 1
"""``PR_SET_PDEATHSIG`` of Linux: the signal that a process gets when its parent dies."""
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class _Supervisor:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        order = json.loads((folder / "order.json").read_text())
        self._command: list[str] = order["command"]
        self._memory: int | None = order["memory"]
        self._cpus: float | None = order["cpus"]
        self._killed_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._kill_politely)
        try:
            self._process = subprocess.Popen(  # noqa: S603  the command is the job
                self._command,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=self._limit,  # noqa: PLW1509  there are no other threads
            )
        except FileNotFoundError:
            return self._end(_NOT_FOUND, f"there is no command {self._command[0]!r}")
        except (OSError, subprocess.SubprocessError) as error:
            return self._end(_NOT_EXECUTABLE, f"the command cannot be started: {error}")
        out_of_memory = self._watch(self._process)
        code = self._process.returncode
        self._kill(signal.SIGKILL)  # what the command has left behind
        reason = "it was killed" if self._killed_at else ""
        return self._end(code if code >= 0 else 128 - code, reason, out_of_memory=out_of_memory)

    def _watch(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for the end; return whether the command used too much memory."""
        while True:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
                return False
            if self._memory is not None and _memory_of_session(process.pid) > self._memory:
                self._kill(signal.SIGKILL)
                process.wait()
                return True
            if self._killed_at and time.monotonic() > self._killed_at + _GRACE_SECONDS:
                self._kill(signal.SIGKILL)

    def _limit(self) -> None:
        """Prepare the new process: it ends with its supervisor, and on its processors."""
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self._cpus is not None and hasattr(os, "sched_setaffinity"):
            there = sorted(os.sched_getaffinity(0))
            os.sched_setaffinity(0, there[: max(1, round(self._cpus))])

    def _kill_politely(self, _number: int, _frame: FrameType | None) -> None:
        self._killed_at = time.monotonic()
        self._kill(signal.SIGTERM)

    def _kill(self, number: int) -> None:
        """Send a signal to the processes of the command's session."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _end(self, code: int, reason: str, *, out_of_memory: bool = False) -> None:
        """Record the end, whole or not at all."""
        end = {"exit_code": code, "reason": reason, "out_of_memory": out_of_memory}
        beside = self._folder / "end.json.new"
        beside.write_text(json.dumps(end))
        beside.replace(self._folder / "end.json")


def _memory_of_session(session: int) -> int:
    """Return the resident memory of the processes of a session, in bytes; Linux only."""
    total, page = 0, resource.getpagesize()
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            parts = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            if int(parts[3]) == session:
                total += int(parts[21]) * page
    return total


def main(folder: Path) -> None:
    """Supervise the command of a folder until it ends.

    Args:
        folder: The job's folder.
    """
    with (folder / "lock").open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        _Supervisor(folder).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
