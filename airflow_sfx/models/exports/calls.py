"""The call of the registry that exports versions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_sfx.models.log.base import ModelLog
from airflow_sfx.models.pin import ModelPin

if TYPE_CHECKING:
    from airflow_sfx.models.exports.folder import ExportFormat, ModelExport


class ModelExports(ModelLog):
    """Versions for tools that know nothing of a warehouse."""

    def export(
        self,
        source: str | ModelPin | os.PathLike[str],
        folder: str | os.PathLike[str],
        *,
        to: ExportFormat = "mlflow",
        trust: Sequence[str] = (),
    ) -> ModelExport:
        """Write a version in the format of another tool, once it answers its golden rows.

        Args:
            source: The version, as for `load`.
            folder: The folder to create; one that exists must be empty.
            to: ``mlflow`` for a model of MLflow, ``oci`` for the layout of an image with the
                artifact below ``/models``, ``sagemaker`` for a ``model.tar.gz``.
            trust: As for `load`, for a model without a portable scorer. It is not in the export:
                who loads that says so again.

        Returns:
            What was written.

        Raises:
            ModelRefused: The version is damaged, needs trust, or answers its golden rows otherwise.
            PartitionNotFound: There is no such model or alias.
            BatchNotFound: There is no such version.
            InvalidName: The format is not known, or the folder has files or cannot be written.

        Example:
            >>> made = sfx.models.export("delays@production", f"{tempfile.mkdtemp()}/delays")
            >>> made.format, made.pin == delays, "MLmodel" in made.files
            ('mlflow', True, True)
        """
        from airflow_sfx.models.exports.folder import export_artifact

        data, where = self._artifact(source)
        return export_artifact(data, where, Path(folder), to, trust)
