"""Comparison of locations in metastores and manifests."""

from __future__ import annotations

import os
import re


def normalized(location: str) -> str:
    """Return the normal form of a location, which engines spell differently.

    Example:
        >>> normalized("s3a://bucket/sales/"), normalized("file:/data")
        ('s3://bucket/sales', 'file:///data')
    """
    same = re.sub(r"^s3[an]://", "s3://", location)
    return re.sub(r"^file:/+", "file:///", same).rstrip("/")


def is_below(location: str, root: str) -> bool:
    """Whether a directory is another one or below it, after following links.

    Args:
        location: The directory, as a URI.
        root: The other one.

    Example:
        >>> is_below("s3a://b/sales/day=1", "s3://b/sales")
        True
        >>> is_below("s3://b/sales_2", "s3://b/sales")
        False
        >>> is_below("s3://b/sales/../hr", "s3://b/sales")
        False
    """
    place, above = (_real(normalized(one)) for one in (location, root))
    steps = place.split("/")
    return (place == above or place.startswith(f"{above}/")) and not any(
        step in (".", "..") for step in steps
    )


def escapes(root: str, path: str) -> bool:
    """Whether a symbolic link in a path of this machine leads out of a directory.

    Args:
        root: The directory.
        path: A path that begins with the directory.

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
