"""A real Docker daemon and the images that are tested, shared by all test processes of a machine.

The daemon's folder stays between runs, so that images are built once. Who uses it holds a lock,
which the system releases when a process dies: the last one stops the daemon.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tools import images

FOLDER = images.CACHE / "docker"
SOCKET = FOLDER / "docker.sock"
URL = f"unix://{SOCKET}"
_SECONDS, _PID = 60, "dockerd.pid"


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[str]:
    """The URL of a running Docker daemon."""
    if os.geteuid() != 0:
        pytest.skip("a Docker daemon needs root")
    if not Path("/sys/fs/cgroup").is_dir() or not os.listdir("/sys/fs/cgroup"):
        pytest.skip("a Docker daemon needs cgroups")
    assert shutil.which("dockerd"), "there is no dockerd: make test installs docker.io"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "users.lock").open("w") as users:
        with _alone():
            if not _answers(URL):
                start_daemon(FOLDER, "--bridge=none")
            fcntl.flock(users, fcntl.LOCK_SH)
        yield URL
        with _alone(), suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop_daemon(FOLDER)


@pytest.fixture
def docker_engine(docker_daemon, monkeypatch) -> str:
    """The daemon, which ``DOCKER_HOST`` names for the length of a test."""
    monkeypatch.setenv("DOCKER_HOST", docker_daemon)
    return docker_daemon


def docker(*arguments: str) -> str:
    """Return what a command of Docker prints."""
    done = subprocess.run(
        [images.docker_program(), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def running(*arguments: str) -> Iterator[str]:
    """The ID of a container of the host's network, with a read-only root and no rights."""
    sealed = ("--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL")
    container = docker("create", *sealed, *arguments).split()[-1]
    try:
        docker("start", container)
        yield container
    finally:
        docker("rm", "--force", container)


def asked(port: int, path: str, token: str = "") -> requests.Response:
    """Ask a server, from the moment on at which it listens."""
    headers = {"Authorization": f"token {token}"} if token else {}
    give_up = time.monotonic() + _SECONDS
    while time.monotonic() < give_up:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=10)
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


@pytest.fixture(scope="session")
def core_image(docker_daemon) -> str:
    """The image ``core`` of these sources."""
    return _built("core", docker_daemon)


@pytest.fixture(scope="session")
def lab_image(docker_daemon) -> str:
    """The image ``lab`` of these sources: JupyterLab, Python and R, with both packages."""
    return _built("lab", docker_daemon)


@pytest.fixture(scope="session")
def serve_image(docker_daemon) -> str:
    """The image ``serve`` of these sources."""
    return _built("serve", docker_daemon)


@pytest.fixture(scope="session")
def lambda_image(docker_daemon) -> str:
    """The image ``lambda`` of these sources: core, and the runtime client of AWS."""
    return _built("lambda", docker_daemon)


def _built(name: str, daemon: str) -> str:
    """Build an image, unless this machine has it."""
    tag = _digest()
    with _alone("build.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", daemon)
        if not docker("images", "--quiet", f"sfx-{name}:{tag}").strip():
            images.build([name], tag)
    return f"sfx-{name}:{tag}"


def start_daemon(folder: Path, *options: str) -> str:
    """Start a Docker daemon whose data is in a folder, and return its URL."""
    url, log_file = f"unix://{folder}/docker.sock", folder / "dockerd.log"
    options = ("--iptables=false", "--ip-masq=false", "--storage-driver=overlay2", *options)
    places = (f"--data-root={folder}/data", f"--exec-root={folder}/exec")
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            ["dockerd", *options, *places, f"--pidfile={folder}/{_PID}", f"--host={url}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    give_up = time.monotonic() + _SECONDS
    while not _answers(url):
        last = log_file.read_text(errors="replace")[-2000:]
        assert process.poll() is None, last
        assert time.monotonic() < give_up, last
        time.sleep(0.1)
    return url


def stop_daemon(folder: Path) -> None:
    """Stop the Docker daemon of a folder."""
    with suppress(OSError, ValueError):
        number = int((folder / _PID).read_text())
        os.kill(number, signal.SIGTERM)
        give_up = time.monotonic() + _SECONDS
        while Path(f"/proc/{number}/cmdline").exists() and time.monotonic() < give_up:
            if b"dockerd" not in Path(f"/proc/{number}/cmdline").read_bytes():
                break
            time.sleep(0.1)
    subprocess.run(["umount", folder / "exec/netns/default"], check=False, capture_output=True)


def _answers(url: str) -> bool:
    done = subprocess.run(
        [images.docker_program(), "--host", url, "version"], capture_output=True, check=False
    )
    return done.returncode == 0


@contextmanager
def _alone(name: str = "start.lock") -> Iterator[None]:
    with (FOLDER / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest() -> str:
    """A digest of what the images are made of."""
    found = hashlib.sha256()
    for folder in ("airflow_sfx", "docker", "r"):
        for path in sorted((images.ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(str(path.relative_to(images.ROOT)).encode() + path.read_bytes())
    found.update((images.ROOT / "setup.cfg").read_bytes())
    return found.hexdigest()[:12]
