"""SageMaker's archive: the artifact, and the code that its containers call."""

from __future__ import annotations

from airflow_sfx.models.exports.carried import code_files, requirements
from airflow_sfx.models.exports.tar import tar_gz_of
from airflow_sfx.models.model import Model


def sagemaker_files(model: Model, artifact: bytes) -> dict[str, bytes]:
    """Return the files of a model for SageMaker.

    Args:
        model: The model.
        artifact: Its zip file.

    Returns:
        Their content by path.
    """
    files = {
        f"{model.name}-{model.version}.zip": artifact,
        "code/requirements.txt": "".join(f"{one}\n" for one in requirements(model)).encode(),
        **{f"code/{name}": content for name, content in code_files().items()},
    }
    return {"model.tar.gz": tar_gz_of(files)}
