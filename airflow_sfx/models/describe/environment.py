"""The environment that trained a model: versions, hashes, Python, platform."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from airflow_sfx.core.serde import compact

LOCK, PLATFORM = "env/requirements.lock", "env/platform.json"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
_OURS = "airflow-sfx"
"""This package, without all of Airflow, which it needs but training does not use."""
IMAGE = "SFX_IMAGE"
"""The environment variable that names the container's image, with its digest."""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package.

    Args:
        name: Its name on PyPI, as it spells it.
        version: Its version.
        sha256: The SHA-256 of its RECORD, which has the hash of each of its files; empty if it has
            none.
    """

    name: str
    version: str
    sha256: str


def packages_of(modules: Iterable[str]) -> list[Package]:
    """Return the installed packages of some modules, and all that they need.

    Args:
        modules: The names of top-level modules.

    Returns:
        The packages, sorted by name.

    Example:
        >>> [one.name for one in packages_of(["msgspec"])]
        ['msgspec']
    """
    owners = _owners()
    due = sorted({name for module in modules for name in owners.get(module, ())})
    found: dict[str, Package] = {}
    while due:
        key = _normal(due.pop())
        if key in found:
            continue
        installed = _installed(key)
        if installed is None:
            continue
        package, needs = installed
        found[key] = package
        due += needs
    return [found[key] for key in sorted(found)]


@cache
def _owners() -> dict[str, list[str]]:
    return {name: sorted(set(some)) for name, some in metadata.packages_distributions().items()}


@cache
def _installed(name: str) -> tuple[Package, tuple[str, ...]] | None:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    record = found.read_text("RECORD") or ""
    # Lines of compiled files differ between installations of one wheel.
    lines = sorted(
        line
        for line in record.splitlines()
        if ",sha256=" in line and ".pyc," not in line and not line.startswith("..")
    )
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""
    package = Package(found.metadata["Name"], found.version, digest)
    return package, () if name == _OURS else tuple(_needed(found.requires or ()))


def _needed(requirements: Iterable[str]) -> list[str]:
    """Return the names of requirements that apply without extras."""
    from packaging.requirements import InvalidRequirement, Requirement

    names = []
    for text in requirements:
        try:
            one = Requirement(text)
        except InvalidRequirement:
            continue
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            names.append(one.name)
    return names


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_of(packages: Iterable[Package]) -> bytes:
    """Return a lock file that pip installs, with the hash of what was installed.

    Example:
        >>> lock_of([Package("numpy", "2.4.6", "ab")]).decode().splitlines()[-1]
        'numpy==2.4.6  # RECORD sha256:ab'
    """
    lines = [
        f"# Python {platform.python_version()}",
        *(
            f"{one.name}=={one.version}" + (f"  # RECORD sha256:{one.sha256}" if one.sha256 else "")
            for one in packages
        ),
    ]
    return ("\n".join(lines) + "\n").encode()


def platform_json() -> bytes:
    """Return Python, the platform, the image and the settings of threads as JSON."""
    return compact(
        {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "system": platform.system(),
            "machine": platform.machine(),
            "libc": " ".join(platform.libc_ver()),
            "byteorder": sys.byteorder,
            "image": os.environ.get(IMAGE, ""),
            "threads": {name: os.environ[name] for name in _THREADS if name in os.environ},
        }
    ).encode()
