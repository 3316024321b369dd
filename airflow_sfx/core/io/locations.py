"""Locations as metastores and manifests have them: one spelling to compare, and what lies below what."""

from __future__ import annotations

import os
import re


def normalized(location: str) -> str:
    """A location however an engine has spelled it.

    Example:
        >>> normalized("s3a://bucket/sales/"), normalized("file:/data")
        ('s3://bucket/sales', 'file:///data')
    """
    same = re.sub(r"^s3[an]://", "s3://", location)
    return re.sub(r"^file:/+", "file:///", same).rstrip("/")


def is_below(location: str, root: str) -> bool:
    """Whether a directory is another one or lies in it; on this machine, once symbolic links are followed.

    Args:
        location: The directory, as a URI.
        root: The other one.

    Example:
        >>> is_below("s3a://b/sales/day=1", "s3://b/sales"), is_below("s3://b/sales_2", "s3://b/sales")
        (True, False)
        >>> is_below("s3://b/sales/../hr", "s3://b/sales")
        False
    """
    place, above = (_real(normalized(one)) for one in (location, root))
    steps = place.split("/")
    return (place == above or place.startswith(f"{above}/")) and not any(
        step in (".", "..") for step in steps
    )


def escapes(root: str, path: str) -> bool:
    """Whether a path of this machine leaves a directory above it by a symbolic link.

    Args:
        root: The directory.
        path: A path that begins with it.

    Example:
        >>> escapes("/usr", "/usr/nothing/here")
        False
    """
    here = root
    for step in path.removeprefix(root).strip("/").split("/"):
        here = f"{here}/{step}"
        if os.path.islink(here):
            return not f"{os.path.realpath(path)}/".startswith(f"{os.path.realpath(root)}/")
    return False


def _real(location: str) -> str:
    path = location.removeprefix("file://")
    return f"file://{os.path.realpath(path)}" if path != location and "\0" not in path else location
