"""Trains a version again in a process of its own, from its batches and its code."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import airflow_sfx
from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.artifact.rules import PICKLE
from airflow_sfx.models.describe.code import TRAIN
from airflow_sfx.models.describe.environment import PLATFORM
from airflow_sfx.models.describe.inputs import PINS
from airflow_sfx.models.flavours.function import CODE
from airflow_sfx.models.log.verification import input_problems
from airflow_sfx.models.model import Model
from airflow_sfx.models.training import training_frames

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

REQUEST, FRAMES = "request.json", "frames.pickle"
"""What the process reads in its directory, beside the code and the pins."""
RESULT, ARTIFACT = "result.json", "artifact.zip"
"""What it writes."""
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gave.

    Args:
        metrics: For each version whose batches were used, the metrics of each seed.
        artifact: The artifact of the model, or None if it was not asked for.
    """

    metrics: Sequence[Sequence[Mapping[str, float]]]
    artifact: bytes | None


def train_again(
    code: Model,
    data: Sequence[Model],
    warehouse: Warehouse,
    *,
    seeds: Sequence[int | None] = (None,),
    describe: bool = False,
    python: str = sys.executable,
    trust: Sequence[str] = (),
) -> Trained:
    """Call the function that trained a version, on the batches of it or of other versions.

    One process trains all, as its start takes longer than many a training.

    Args:
        code: The version whose code and parameters are used.
        data: The versions whose batches are used, one after the other.
        warehouse: The warehouse of these.
        seeds: The seeds; None leaves the generators as they are.
        describe: Whether the artifact of the model is wanted, that of the last version.
        python: The Python to train with.
        trust: What the caller allows: ``code``.

    Returns:
        The metrics, and the artifact.

    Raises:
        ModelRefused: The caller does not allow it, the version does not name its function, a batch
            is gone or altered, or the code failed.
    """
    trainer = _trainer(code, trust)
    for version in data:
        for one in version.input_batches:
            for problem in input_problems(warehouse, one):
                raise ModelRefused(f"{version} cannot be trained again: {problem}")
    frames: dict[str, Any] = {
        "train": [
            {role: warehouse.load_dataframe(pin) for role, pin in version.inputs.items()}
            for version in data
        ]
    }
    if describe:
        rows = {one.role: one.rows for one in data[-1].input_batches}
        frames["described"] = training_frames(warehouse, data[-1].inputs, rows, None)
    request = {
        "trainer": trainer,
        "seeds": list(seeds),
        "describe": describe,
        "name": code.name,
        "version": code.version,
        "target": code.record.target,
        "metrics": code.metrics,
        "tolerance": code.record.tolerance,
        "pickle": code.record.native == PICKLE,
        "precision": _precision(code),
    }
    with tempfile.TemporaryDirectory(prefix="sfx-train-") as folder:
        return _run(Path(folder), code, request, frames, python)


def _precision(code: Model) -> object:
    kept = code.component_precision
    return "exact" if kept is None else kept.precision


def _trainer(code: Model, trust: Sequence[str]) -> dict[str, Any]:
    if TRAIN not in code.entries:
        raise ModelRefused(
            f"{code} does not name the function that trained it: save it with trained_by=, a"
            " function of the frames and the parameters"
        )
    if CODE not in trust:
        raise ModelRefused(
            f"{code}: training it again runs its code, which the caller did not allow: pass"
            f" trust=[{CODE!r}] if you know who made it"
        )
    return cast(dict[str, Any], json.loads(code.entries[TRAIN]))


def _run(
    folder: Path,
    code: Model,
    request: Mapping[str, Any],
    frames: Mapping[str, Any],
    python: str,
) -> Trained:
    kept = {name: data for name, data in code.entries.items() if name.startswith("code/")}
    for name, content in {**kept, PINS: code.entries[PINS]}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / REQUEST).write_text(json.dumps(request))
    (folder / FRAMES).write_bytes(pickle.dumps(frames, protocol=5))
    done = subprocess.run(  # noqa: S603  the caller trusts the code
        [python, "-m", "airflow_sfx.models.questions.child", str(folder)],
        cwd=folder,
        env=_environment(code),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0 or not (folder / RESULT).exists():
        raise ModelRefused(
            f"{code}: its training code failed with the status {done.returncode}; install what its"
            f" env/requirements.lock lists. {done.stderr.strip()[-_SHOWN:]}"
        )
    artifact = folder / ARTIFACT
    return Trained(
        json.loads((folder / RESULT).read_bytes()),
        artifact.read_bytes() if artifact.exists() else None,
    )


def _environment(code: Model) -> dict[str, str]:
    """Return the environment variables of the training, with the threads that it had."""
    threads = json.loads(code.entries.get(PLATFORM, b"{}")).get("threads", {})
    found = {**os.environ, **{str(name): str(value) for name, value in threads.items()}}
    ours = Path(airflow_sfx.__file__).parents[1]
    if ours.name not in ("site-packages", "dist-packages"):
        found["PYTHONPATH"] = os.pathsep.join(
            filter(None, (str(ours), os.environ.get("PYTHONPATH")))
        )
    return found
