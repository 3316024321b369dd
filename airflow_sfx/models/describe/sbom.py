"""The bill of materials of a model as CycloneDX JSON, with its data and metrics."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from airflow_sfx.core.serde import compact
from airflow_sfx.models.describe.environment import Package
from airflow_sfx.models.describe.inputs import Input

SBOM = "env/sbom.cdx.json"


def sbom_of(
    name: str,
    version: str,
    task: str,
    packages: Iterable[Package],
    inputs: Iterable[Input],
    metrics: Mapping[str, float],
) -> bytes:
    """Return a CycloneDX 1.6 document.

    Args:
        name: The model's name.
        version: Its version.
        task: What it predicts.
        packages: The packages that it was trained with.
        inputs: The batches that it was trained on.
        metrics: Its metrics.
    """
    datasets = [
        {
            "type": "dataset",
            "name": f"{one.role}: {uri}",
            "contents": {"url": uri},
            "description": f"{one.rows} rows",
        }
        for one in inputs
        for uri in one.uris
    ]
    card = {
        "modelParameters": {"task": task, "datasets": datasets},
        "quantitativeAnalysis": {
            "performanceMetrics": [
                {"type": metric, "value": repr(value)} for metric, value in sorted(metrics.items())
            ]
        },
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'sfx://models/{name}@{version}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "bom-ref": "model",
                "name": name,
                "version": version,
                "modelCard": card,
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{one.name.lower()}@{one.version}",
                "purl": f"pkg:pypi/{one.name.lower()}@{one.version}",
                "name": one.name,
                "version": one.version,
                "properties": [{"name": "sfx:record-sha256", "value": one.sha256}],
            }
            for one in packages
        ],
    }
    return compact(document).encode()
