"""The home of a workbench, which a child process looks at for a limited time.

A call on a file system whose server is gone does not return, and the process cannot be killed.
So no path of a home is touched in this process.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import PurePosixPath

from airflow_sfx.workbench.errors import WorkbenchRefused

SECONDS = 4.0
"""How long a home is waited for."""

_LOOK = """
import os, sys
path, may_make = sys.argv[1], sys.argv[2] == "make"
if may_make and not os.path.lexists(path):
    above = os.stat(os.path.dirname(path))
    if os.geteuid() == 0 == above.st_uid:
        sys.exit(f"{os.path.dirname(path)} belongs to root: no new home can have its owner")
    os.mkdir(path, 0o700)
    if os.geteuid() == 0:
        os.chown(path, above.st_uid, above.st_gid)
there = os.stat(path)
with os.scandir(path) as entries:
    next(entries, None)
print(there.st_uid, there.st_gid)
"""
"""What the child does: it fails unless the path is a directory that can be read."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home that was looked at.

    Args:
        path: The directory, or empty if it cannot be used.
        user: Its owner as ``uid:gid``, or empty if that is not known.
        problem: Why it cannot be used; empty if it can.
        hangs: Whether it did not answer in time.
    """

    path: str = ""
    user: str = ""
    problem: str = ""
    hangs: bool = False


def checked_path(path: str) -> str:
    """Return the path of a home that can be mounted.

    Args:
        path: The path.

    Raises:
        WorkbenchRefused: It is not absolute, is the root, or has ``..`` or characters that paths of
            mounts cannot have.

    Example:
        >>> checked_path("/homes/alice/")
        '/homes/alice'
    """
    parts = PurePosixPath(path).parts
    if not path.startswith("/") or len(parts) < 2 or ".." in parts or not path.isprintable():  # noqa: PLR2004
        raise WorkbenchRefused(
            f"the home {path!r:.200} is not an absolute path of a directory below the root, without"
            " '..'",
            remedy="name the directory as /homes/alice",
        )
    return str(PurePosixPath(path))


def look(path: str, *, make: bool, seconds: float = SECONDS) -> Home:
    """Look at a home, for a limited time.

    Args:
        path: The directory.
        make: Whether to make it if it is not there, with the owner of the directory above it.
        seconds: The longest time to wait.

    Returns:
        The home; its problem says why it cannot be used.
    """
    child = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-I", "-S", "-c", _LOOK, path, "make" if make else "look"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
    )
    try:
        output, errors = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        # it ends only when the file system answers: nothing here waits for that
        threading.Thread(target=child.wait, daemon=True).start()
        return Home(problem=f"the home {path} did not answer within {seconds:g} s", hangs=True)
    if child.returncode:
        words = (errors.strip().splitlines() or ["it cannot be read"])[-1]
        return Home(problem=f"the home {path} cannot be used ({words})")
    user = ":".join(output.split())
    return Home(path, user)
