"""What exports carry besides the artifact: the code that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import airflow_sfx
from airflow_sfx.models.describe.environment import LOCK
from airflow_sfx.models.model import Model

ENTRY = "inference"
"""The module that other tools import."""
_ROOMS = ("core", "components", "models")
_ALWAYS = ("lazy_loader>=0.4", "msgspec>=0.19")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def code_files() -> dict[str, bytes]:
    """Return the module that other tools import, and the modules that read an artifact.

    Returns:
        Their content by path. Where airflow_sfx is installed, that is used, and not the copy.
    """
    root = Path(airflow_sfx.__file__).parent
    found = {f"{ENTRY}.py": (root / f"models/exports/shipped/{ENTRY}.py").read_bytes()}
    for path in sorted(_sources(root)):
        found[f"reader/airflow_sfx/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    return found


def _sources(root: Path) -> Iterator[Path]:
    for name in ("__init__.py", "__init__.pyi", "_version.py"):
        yield root / name
    for room in _ROOMS:
        for end in ("*.py", "*.pyi"):
            yield from (root / room).rglob(end)


def requirements(model: Model) -> list[str]:
    """Return what the code of an export needs, in the versions that the model was saved with.

    Args:
        model: The model.

    Returns:
        Requirements for pip, sorted.
    """
    record = model.record
    native = record.scorer == "native"
    wanted = {"numpy", "pandas", *(record.libraries if native else ("onnxruntime",))}
    if record.scorer == "components":
        wanted -= {"onnxruntime"}
    lock = model.entries.get(LOCK, b"").decode()
    pinned = {**dict(_PINNED.findall(lock)), **record.libraries}
    return sorted([*_ALWAYS, *(f"{one}=={pinned[one]}" for one in wanted if one in pinned)])


def python_of(model: Model) -> str:
    """Return the version of Python that saved a model; empty if it is not known."""
    found = re.match(r"# Python (\S+)", model.entries.get(LOCK, b"").decode())
    return found[1] if found else ""
