#!/usr/bin/python3 -I
"""Start JupyterLab in this container, even if the home hangs.

A process that waits for a dead file server cannot be killed, nor waited for. So a child looks at
the home, and is left behind if it has not answered after five seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys

SECONDS = 5
INSTEAD = "/tmp/home"
LOOK = "import sys, tempfile; tempfile.TemporaryFile(dir=sys.argv[1]).write(b'x')"


def trouble(home: str) -> str:
    """Return what keeps a home from being used, or an empty text."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", LOOK, home],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, said = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return f"has not answered for {SECONDS} seconds"
    return f"cannot be used: {said.strip().splitlines()[-1]}" if child.returncode else ""


def port() -> int:
    """Return the port to listen on."""
    text = os.environ.get("SFX_WORKBENCH_PORT") or "8888"
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        sys.exit(f"SFX_WORKBENCH_PORT is {text!r}: set it to a port, 1 to 65535")
    return int(text)


def main() -> None:
    """Become JupyterLab."""
    options = {
        "ServerApp.ip": os.environ.get("SFX_WORKBENCH_HOST") or "127.0.0.1",
        "ServerApp.port": port(),
        "ServerApp.port_retries": 0,
        # No call to other servers.
        "LabApp.check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "LabApp.extension_manager": "readonly",
    }
    home = os.environ.get("HOME") or "/home/sfx"
    if why := trouble(home):
        print(
            f"WARNING: the home {home} {why}. The home is {INSTEAD} now, and ends with this"
            " container: store what you want to keep in the warehouse.",
            file=sys.stderr,
            flush=True,
        )
        home = INSTEAD
        try:
            os.makedirs(home, exist_ok=True)
        except OSError as error:
            sys.exit(f"nor can {home} be used: {error}. Mount a tmpfs: docker run --tmpfs /tmp")
    os.environ["HOME"] = home
    os.chdir(home)
    arguments = [f"--{name}={value}" for name, value in options.items()]
    arguments += ["--no-browser", f"--ServerApp.root_dir={home}", *sys.argv[1:]]
    os.execv("/opt/sfx/bin/jupyter-lab", ["jupyter-lab", *arguments])


if __name__ == "__main__":
    main()
