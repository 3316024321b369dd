"""Tar files that depend on nothing but their entries."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """Return a tar file.

    Args:
        files: The content of each file by path.

    Returns:
        The tar file: sorted, owned by root, from 1970, readable by all.

    Example:
        >>> tar_of({"a": b"1", "b": b"2"}) == tar_of({"b": b"2", "a": b"1"})
        True
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


def tar_gz_of(files: Mapping[str, bytes]) -> bytes:
    """Return a compressed tar file; see `tar_of`."""
    return gzip.compress(tar_of(files), mtime=0)
