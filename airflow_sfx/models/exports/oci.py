"""An image of OCI, whose only layer has the artifact below ``/models``.

Registries store it, containers copy from it, and Kubernetes mounts it as a volume. It runs nothing.
"""

from __future__ import annotations

import hashlib

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.core.serde import compact
from airflow_sfx.models.exports.tar import tar_of
from airflow_sfx.models.model import Model

_TYPE = "application/vnd.oci.image"
_MANIFEST, _CONFIG = f"{_TYPE}.manifest.v1+json", f"{_TYPE}.config.v1+json"
_INDEX, _LAYER = f"{_TYPE}.index.v1+json", f"{_TYPE}.layer.v1.tar"
_KEYS = "org.opencontainers.image"


def oci_files(model: Model, artifact: bytes) -> dict[str, bytes]:
    """Return the files of an image with a model.

    Args:
        model: The model.
        artifact: Its zip file.

    Returns:
        Their content by path.
    """
    blobs: dict[str, bytes] = {}

    def blob(kind: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    created = f"{moment_of(model.version):%Y-%m-%dT%H:%M:%SZ}"
    layer = blob(_LAYER, tar_of({f"models/{model.name}-{model.version}.zip": artifact}))
    config = {
        "created": created,
        "architecture": "amd64",  # an image must have one, and a model has none
        "os": "linux",
        "config": {"Labels": _labels(model)},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": blob(_CONFIG, compact(config).encode()),
        "layers": [layer],
        "annotations": {**_labels(model), f"{_KEYS}.created": created},
    }
    listed = {
        **blob(_MANIFEST, compact(manifest).encode()),
        "annotations": {f"{_KEYS}.ref.name": model.version},
    }
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [listed]}
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": compact(index).encode(),
        **blobs,
    }


def _labels(model: Model) -> dict[str, str]:
    return {
        f"{_KEYS}.title": model.name,
        f"{_KEYS}.version": model.version,
        "airflow_sfx.digest": model.record.digest,
    }
