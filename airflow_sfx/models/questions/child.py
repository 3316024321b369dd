"""Trains a model from the code of an artifact, as `retraining` asks it to.

Its directory has ``request.json``, ``frames.pickle`` of the process that started it, and ``code/``.
It writes ``result.json``, and ``artifact.zip`` if the model is to be described.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from airflow_sfx.core.producer import Producer
from airflow_sfx.models.build import Training, build, finish
from airflow_sfx.models.describe.inputs import PINS, from_json
from airflow_sfx.models.questions.retraining import ARTIFACT, FRAMES, REQUEST, RESULT

_SEEDS = ("seed", "random_state")


def main(folder: Path) -> None:
    """Train as the request asks, once for each version's frames and each seed.

    Args:
        folder: The directory.
    """
    request: dict[str, Any] = json.loads((folder / REQUEST).read_bytes())
    trainer = request["trainer"]
    files = {name: folder / entry for name, entry in trainer["modules"].items()}
    sys.meta_path.insert(0, _SavedModules(files))
    function = getattr(importlib.import_module(trainer["module"]), trainer["function"])
    frames: dict[str, Any] = pd.read_pickle(folder / FRAMES)  # noqa: S301  of our parent
    runs: list[list[dict[str, float]]] = []
    for part in frames["train"]:
        runs.append([])
        for seed in request["seeds"]:
            model, metrics = _trained(function, part, dict(trainer["params"]), seed)
            runs[-1].append(metrics)
    if request["describe"]:
        artifact = _described(model, metrics, frames["described"], request, folder)
        (folder / ARTIFACT).write_bytes(artifact)
    (folder / RESULT).write_text(json.dumps(runs))


def _trained(
    function: Callable[..., Any],
    frames: Mapping[str, pd.DataFrame],
    params: dict[str, Any],
    seed: int | None,
) -> tuple[object, dict[str, float]]:
    if seed is not None:
        random.seed(seed)
        np.random.seed(seed)
        params |= {name: seed for name in _SEEDS if name in params}
    found = function({role: frame.copy() for role, frame in frames.items()}, params)
    model, metrics = found if isinstance(found, tuple) else (found, {})
    return model, {str(name): float(value) for name, value in metrics.items()}


def _described(
    model: object,
    metrics: Mapping[str, float],
    frames: Mapping[str, pd.DataFrame],
    request: Mapping[str, Any],
    folder: Path,
) -> bytes:
    code = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / "code").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    training = Training(
        from_json((folder / PINS).read_bytes(), request["name"]),
        frames,
        request["target"] or None,
        request["trainer"]["params"],
        metrics or request["metrics"],
        tolerance=request["tolerance"],
        pickle=request["pickle"],
        code=code,
        precision=request["precision"],
    )
    return finish(build(model, training), request["name"], request["version"], Producer())


class _SavedModules(MetaPathFinder):
    """Finds modules in the code of an artifact, by the names that they had."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._parents = {
            ".".join(steps[:count])
            for steps in (name.split(".") for name in files)
            for count in range(1, len(steps))
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is, or None if the artifact does not have it."""
        if fullname in self._files:
            file = self._files[fullname]
            is_package = fullname in self._parents or file.name == "__init__.py"
            package: list[str] | None = [] if is_package else None
            return importlib.util.spec_from_file_location(
                fullname, file, submodule_search_locations=package
            )
        if fullname in self._parents:
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = []
            return spec
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
