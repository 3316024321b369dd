"""A real Airflow for the tests: its own home, database and warehouse, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow, local_airflow
from tests.containers import URL

REPO = Path(__file__).resolve().parents[2]

# For doctests pytest would import them, and Airflow with them.
collect_ignore = ["dags", "settings"]


@dataclass
class Run:
    """The result of a DAG run."""

    run_id: str
    state: str
    tasks: dict
    xcoms: dict
    log: str


class Airflow:
    """Runs DAGs and probes in the process of `host.py`."""

    def __init__(self, home: Path) -> None:
        self.dags = home / "dags"
        self.environment = airflow_environment(home, self.dags) | {"DOCKER_HOST": URL}
        self.warehouse = sfx.connect(self.environment["SFX_WAREHOUSE"])
        shutil.copytree(
            Path(__file__).with_name("dags"),
            self.dags,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for name in ("nightly_flights.py", "flights_of_2013.py", "report_in_r.py"):
            shutil.copy(REPO / "dags_examples" / name, self.dags)
        migrate(self.environment)
        host = Path(__file__).with_name("host.py")
        self._process = subprocess.Popen(
            [sys.executable, host, home / "host.log"],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, dag_id: str, logical_date: str | None = None, **request: object) -> Run:
        answer = self._ask(do="run_dag", dag_id=dag_id, logical_date=logical_date, **request)
        return Run(**answer["result"], log=answer["log"])

    def succeed(self, dag_id: str, logical_date: str | None = None, **request: object) -> Run:
        run = self.run(dag_id, logical_date, **request)
        assert run.state == "success", run.log[-6000:]
        return run

    def probe(self, name: str, **arguments: object) -> object:
        return self._ask(do="probe", name=name, **arguments)["result"]

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _ask(self, **request: object) -> dict:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the Airflow process ended"
        answer = json.loads(line)
        assert "error" not in answer, f"{answer['error']}\n{answer['log'][-4000:]}"
        return answer


@pytest.fixture(scope="session")
def airflow(tmp_path_factory):
    host = Airflow(tmp_path_factory.mktemp("airflow"))
    yield host
    host.close()


@pytest.fixture
def warehouse(airflow):
    return airflow.warehouse


@pytest.fixture(scope="session")
def open_folders():
    """Create folders that PostgreSQL's own user can enter.

    pytest closes everything below its own folder at each start.
    """
    made = []

    def make(name: str) -> Path:
        made.append(Path(tempfile.mkdtemp(prefix=f"sfx-{name}-")))
        return made[-1]

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def scheduler(open_folders):
    """A whole Airflow: scheduler, triggerer, DAG processor and API server."""
    home = open_folders("scheduler")
    dags = home / "dags"
    shutil.copytree(
        Path(__file__).with_name("dags"), dags, ignore=shutil.ignore_patterns("__pycache__")
    )
    # A test kills the scheduler, so its tasks must be found soon.
    often = {"AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10"}
    users = {"admin": "admin", "viewer": "viewer", "op": "op", "user": "user", "../eve <b>": "user"}
    with local_airflow(
        home / "home", dags, airflow_environment(home, dags) | often, users
    ) as running:
        yield running


# Playwright keeps an event loop in this thread, and other modules have their own.
@pytest.fixture(scope="module")
def browser():
    from tests.airflow.pages import started_browser

    with started_browser() as started:
        yield started


@pytest.fixture
def window(browser):
    """Opens a browser window of a user's own."""
    from tests.airflow.pages import window_of

    opened = []

    def window(airflow: LocalAirflow, user: str = "admin", **options):
        opened.append(window_of(browser, airflow, user, **options))
        return opened[-1]

    yield window
    for page in opened:
        page.context.close()


@pytest.fixture
def as_user(scheduler, window):
    return partial(window, scheduler)


@pytest.fixture
def client(scheduler):
    """Send requests as a user, with the headers of a script."""

    def of_user(user: str | None, **headers: str) -> httpx.Client:
        login = {"Authorization": f"Bearer {scheduler.login(user)}"} if user else {}
        return httpx.Client(
            base_url=f"{scheduler.url}/sfx/api/", headers={**login, **headers}, timeout=60
        )

    return of_user


@pytest.fixture
def scheduled_warehouse(scheduler: LocalAirflow):
    """The warehouse that the tasks of `scheduler` write to."""
    return sfx.connect(scheduler.environment["SFX_WAREHOUSE"])


def airflow_environment(home: Path, dags: Path) -> dict:
    """An environment in which Airflow sees nothing of the machine's own Airflow."""
    outside = {
        name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW_", "SFX_"))
    }
    settings = Path(__file__).with_name("settings")
    return outside | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(settings), outside.get("PYTHONPATH")])),
        "AIRFLOW_HOME": str(home / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "SFX_WAREHOUSE": f"embedded://{home / 'warehouse'}",
        "R_LIBS": str(home / "r_library"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def migrate(environment: dict) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "airflow", "db", "migrate"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
