"""Exports a version into a new folder, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.artifact.rules import RDS
from airflow_sfx.models.exports.mlflow import mlflow_files
from airflow_sfx.models.exports.oci import oci_files
from airflow_sfx.models.exports.sagemaker import sagemaker_files
from airflow_sfx.models.model import Model, load_artifact
from airflow_sfx.models.pin import ModelPin

ExportFormat = Literal["mlflow", "oci", "sagemaker"]
_FORMATS: dict[str, Callable[[Model, bytes], dict[str, bytes]]] = {
    "mlflow": mlflow_files,
    "oci": oci_files,
    "sagemaker": sagemaker_files,
}


@dataclass(frozen=True, slots=True)
class ModelExport:
    """A version in the format of another tool.

    Args:
        pin: The version.
        format: The format: ``mlflow``, ``oci`` or ``sagemaker``.
        path: The folder.
        files: The size of each file in bytes, by its path in the folder.
    """

    pin: ModelPin
    format: str
    path: str
    files: Mapping[str, int]


def export_artifact(
    artifact: bytes, where: str, folder: Path, to: str, trust: Sequence[str]
) -> ModelExport:
    """Write a model in the format of another tool, once it answers its golden rows.

    The files are written to a folder beside it, which then gets its name.

    Args:
        artifact: The zip file.
        where: Where it is from, for messages.
        folder: The folder to create; one that exists must be empty.
        to: The format.
        trust: What code may run.

    Returns:
        What was written.

    Raises:
        InvalidName: The format is not known, or the folder has files or cannot be written.
        ModelRefused: The artifact is damaged, needs trust, is a file of R, or fails its golden
            rows.
    """
    if not isinstance(to, str) or to not in _FORMATS:
        raise InvalidName(f"{to!r:.80} is not a format of exports: pass {', '.join(_FORMATS)}")
    model = load_artifact(artifact, where, trust=trust)
    if RDS in model.entries:
        raise ModelRefused(
            f"{where} is a file of R, which exports do not run: save an lm, glm or rpart without"
            " native = TRUE"
        )
    files = _FORMATS[to](model, artifact)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as partial:
            made = Path(partial, folder.name)
            for name, content in files.items():
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            os.rename(made, folder)
    except (OSError, ValueError) as error:
        raise InvalidName(
            f"{folder} cannot be written ({getattr(error, 'strerror', None) or error}): name a new"
            " folder in a directory that exists"
        ) from error
    sizes = {name: len(content) for name, content in files.items()}
    return ModelExport(ModelPin(model.name, model.version), to, str(folder), sizes)
