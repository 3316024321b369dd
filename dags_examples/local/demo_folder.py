"""The demo's folder, which each run creates anew and never at the cost of what others put there.

A run records the files that it leaves. The next run deletes them only if nothing was added, changed
or used since; otherwise it moves the whole folder aside and names it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

RECORD = "left-by-the-demo.json"
"""The file that lists what a run left."""
DATABASE = Path("airflow", "postgres")
"""The folder of PostgreSQL, which changes its files by itself.

To use the database, people start Airflow, whose log changes.
"""


def check_unused(folder: Path) -> None:
    """Check that no Airflow runs in the folder.

    Raises:
        RuntimeError: One does.
    """
    try:
        process = int((folder / DATABASE / "postmaster.pid").read_text().split()[0])
        os.kill(process, 0)
    except (OSError, ValueError, IndexError):
        return
    raise RuntimeError(
        f"an Airflow runs in {folder} (its PostgreSQL is process {process}): end it with Ctrl-C"
        " in its terminal, and try again"
    )


def recreate(folder: Path) -> Path | None:
    """Create a folder that is empty.

    Args:
        folder: The folder; whatever is in its place is deleted if it is unchanged since the last
            run, and moved aside otherwise.

    Returns:
        Where the old folder is now, or None if none was moved.
    """
    moved = None
    if _is_as_left(folder):
        shutil.rmtree(folder)
    elif folder.is_symlink() or folder.exists():
        moved = folder.rename(folder.with_name(f"{folder.name}-{datetime.now():%Y%m%d-%H%M%S}"))
    folder.mkdir()
    return moved


def record(folder: Path) -> None:
    """Record what a run leaves, at its end."""
    (folder / RECORD).write_text(json.dumps(_files(folder)))


def _is_as_left(folder: Path) -> bool:
    try:
        left = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return False
    return not folder.is_symlink() and left == _files(folder)


def _files(folder: Path) -> list[list[object]]:
    """Return each file's path, size and time of change."""
    found: list[list[object]] = []
    for path in sorted(_walk(folder)):
        # Airflow may still be running, and databases delete files of their own meanwhile.
        with suppress(FileNotFoundError):
            status = path.lstat()
            found.append([str(path.relative_to(folder)), status.st_size, status.st_mtime_ns])
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        if (here / "postgres").relative_to(folder) == DATABASE and "postgres" in folders:
            folders.remove("postgres")
        yield from (here / name for name in names if here / name != folder / RECORD)
        yield from (here / name for name in folders if (here / name).is_symlink())
