"""Frames between the two processes: RDS files in the session's directory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, cast

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.frames.rds.from_arrow import Int64, arrow_to_frame
from airflow_sfx.frames.rds.reader import read_rds
from airflow_sfx.frames.rds.to_arrow import frame_to_arrow
from airflow_sfx.frames.rds.writer import write_rds

if TYPE_CHECKING:
    import pyarrow as pa

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.rds")
_INT64 = ("integer64", "double")


def path_of(folder: Path, name: object) -> Path:
    """Return the path of a frame that a request names.

    Args:
        folder: The session's directory.
        name: The name of the file, without a folder.

    Returns:
        The path.

    Raises:
        InvalidName: It is not such a name.

    Example:
        >>> path_of(Path("/tmp/s"), "frame1.rds").as_posix()
        '/tmp/s/frame1.rds'
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidName(f"{name!r:.80} is not the name of a frame, such as frame1.rds")
    return folder / name


def read_frame(path: Path) -> pa.Table:
    """Read the frame that the client wrote, and remove the file.

    Args:
        path: The file.

    Returns:
        The frame.

    Raises:
        SchemaMismatch: It is damaged, or a column cannot be stored.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InvalidName(f"there is no frame {path.name}: pass it again") from None
    path.unlink()
    return frame_to_arrow(read_rds(data))


def write_frame(path: Path, table: pa.Table, int64: str = "integer64") -> None:
    """Write a frame for the client.

    Args:
        path: The file, which does not exist.
        table: The frame.
        int64: What integers of 64 bits become.

    Raises:
        SchemaMismatch: R has no type for a column.
        OSError: The disk is full.
    """
    if int64 not in _INT64:
        raise InvalidName(f'int64 = {int64!r:.80} is unknown: use "integer64" or "double"')
    frame = arrow_to_frame(table, int64=cast(Int64, int64))
    with path.open("xb") as file:
        write_rds(frame, file)


def release_memory() -> None:
    """Give back the memory of frames that were passed, which Arrow would keep for others."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
