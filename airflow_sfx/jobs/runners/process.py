"""Jobs as processes of this machine, each below a supervisor of its own.

The supervisor survives the worker that started it, and writes the exit status to the job's folder.
The folder's lock shows that it lives, so that a number that another process has by now is not
taken for it.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.jobs.contract import VARIABLE
from airflow_sfx.jobs.runners.base import MISSING, RUNNING, Runner, Status, Work, container_name

JOB, LOG, END, LOCK, ORDER = "job.json", "log", "end.json", "lock", "order.json"
_PASSED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"),
        *("PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "JAVA_HOME"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"),
    }
)
_PASSED_FAMILIES = ("AWS_", "LC_", "R_LIBS", "OMP_", "OPENBLAS_")
_START_SECONDS, _KILL_SECONDS = 20.0, 10.0


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """Options of the runner of processes.

    Args:
        directory: Where the folders of jobs are; by default in the user's temporary directory.
        pass_environment: Names of further variables of the worker that the command gets. It has
            those of the system (``PATH``, ``HOME``, ``LANG``…) and of AWS, and no other: not
            Airflow's connections and keys.
    """

    directory: str = ""
    pass_environment: tuple[str, ...] = ()


class ProcessRunner(Runner):
    """Runs jobs as processes of this machine.

    Args:
        options: The options.
    """

    name: ClassVar[str] = "process"
    needs_image: ClassVar[bool] = False
    is_local: ClassVar[bool] = True

    def __init__(self, options: ProcessOptions | None = None) -> None:
        self._options = options or ProcessOptions()

    def start(self, work: Work) -> None:
        """Start the command below a supervisor."""
        if not work.command:
            raise InvalidName("a job that is a process has no command: pass command=[…]")
        folder = self._folder(work.job.id)
        _make_private(folder.parent)
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            return
        job = folder / JOB
        job.write_text(work.job.to_text(), encoding="utf-8")
        job.chmod(0o400)
        order = {"command": list(work.command), "memory": work.memory, "cpus": work.cpus}
        (folder / ORDER).write_text(json.dumps(order))
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  our own supervisor
                [sys.executable, "-m", "airflow_sfx.jobs.runners.supervisor", str(folder)],
                env=self._environment(work, job),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._await_start(folder, process, work)

    def status(self, job_id: str) -> Status:
        """Return what became of the command, from its folder."""
        folder = self._folder(job_id)
        if not folder.is_dir():
            return MISSING
        if (end := _end_of(folder)) is not None:
            return end
        if _is_locked(folder / LOCK):
            return RUNNING
        # it may have written its end between the two looks
        return _end_of(folder) or Status("ended", reason="its supervisor was killed")

    def log(self, job_id: str, lines: int) -> list[str]:
        """Return the last lines of the command's output."""
        try:
            with (self._folder(job_id) / LOG).open(encoding="utf-8", errors="replace") as log:
                return [line.rstrip("\n") for line in deque(log, lines)]
        except OSError:
            return []

    def kill(self, job_id: str) -> None:
        """End the command and all of its processes."""
        folder = self._folder(job_id)
        if not self.status(job_id).is_running:
            return
        supervisor = (folder / LOCK).read_text().strip()
        if supervisor:
            os.kill(int(supervisor), signal.SIGTERM)
        give_up = time.monotonic() + _KILL_SECONDS
        while self.status(job_id).is_running and time.monotonic() < give_up:
            time.sleep(0.05)

    def remove(self, job_id: str) -> None:
        """Remove the job's folder, with its log."""
        shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def _folder(self, job_id: str) -> Path:
        if self._options.directory:
            return Path(self._options.directory) / container_name(job_id)
        return Path(tempfile.gettempdir()) / f"sfx-jobs-{os.getuid()}" / container_name(job_id)

    def _environment(self, work: Work, job: Path) -> dict[str, str]:
        """Return the command's variables: no secret of the worker but AWS's is passed."""
        wanted = {*_PASSED, *self._options.pass_environment}
        passed = {
            name: value
            for name, value in os.environ.items()
            if name in wanted or name.upper() in wanted or name.startswith(_PASSED_FAMILIES)
        }
        programs = os.pathsep.join((str(Path(sys.executable).parent), passed.get("PATH", "")))
        return {**passed, **work.variables(), "PATH": programs, VARIABLE: str(job)}

    def _await_start(self, folder: Path, process: subprocess.Popen[bytes], work: Work) -> None:
        """Wait until the supervisor holds its lock or has ended."""
        give_up = time.monotonic() + _START_SECONDS
        while not (_is_locked(folder / LOCK) or (folder / END).exists()):
            if process.poll() is not None and not (folder / END).exists():
                raise JobFailed(
                    "the supervisor of a process did not start",
                    last_lines=tuple(self.log(work.job.id, 20)),
                )
            if time.monotonic() > give_up:
                process.kill()
                raise JobFailed(f"the supervisor did not start within {_START_SECONDS:.0f} s")
            time.sleep(0.01)


def _make_private(directory: Path) -> None:
    """Create the directory of jobs, and reject one that other users could change.

    Anybody can create a directory of that name in the temporary directory, and change commands
    before they run.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = directory.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid() or there.st_mode & 0o022:
        raise JobFailed(
            f"the directory of jobs {directory} is not yours alone",
            remedy="remove it, or name another one by the runner's option directory",
        )


def _end_of(folder: Path) -> Status | None:
    try:
        found = json.loads((folder / END).read_text())
    except (OSError, ValueError):
        return None
    return Status("ended", found["exit_code"], found["out_of_memory"], found["reason"])


def _is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except OSError:
        return False
