"""The provenance of a model, with its batches as materials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import compact
from airflow_sfx.models.describe.environment import Package
from airflow_sfx.models.describe.inputs import Input

PROVENANCE = "provenance.intoto.json"


def provenance_of(
    name: str,
    version: str,
    digest: str,
    inputs: Iterable[Input],
    packages: Iterable[Package],
    code: Mapping[str, str],
    parameters: Mapping[str, object],
    producer: Producer,
) -> bytes:
    """Return an in-toto statement with SLSA's provenance.

    Args:
        name: The model's name.
        version: Its version.
        digest: The digest of the artifact's content.
        inputs: The batches that it was trained on.
        packages: The packages that it was trained with.
        code: The SHA-256 of each source, by entry.
        parameters: The parameters of the training.
        producer: Who trained it.
    """
    materials: list[dict[str, object]] = [
        {
            "name": one.role,
            "uri": f"sfx://{one.pin.database}/{one.pin.table}/{partition}@{batch_id}",
            "digest": {"sha256": one.manifests[partition]},
        }
        for one in inputs
        for partition, batch_id in one.pin.entries
    ]
    materials += [{"uri": path, "digest": {"sha256": sum_}} for path, sum_ in sorted(code.items())]
    materials += [{"uri": f"pkg:pypi/{one.name.lower()}@{one.version}"} for one in packages]
    task = "/".join(filter(None, (producer.dag_id, producer.run_id, producer.task_id)))
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{name}-{version}", "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://github.com/airflow-sfx/airflow-sfx/model/v1",
                "externalParameters": dict(parameters),
                "resolvedDependencies": materials,
            },
            "runDetails": {
                "builder": {
                    "id": f"sfx://{task or producer.user or 'unknown'}",
                    "version": dict(producer.packages),
                },
                "metadata": {"invocationId": task or f"{producer.user}@{producer.host}"},
            },
        },
    }
    return compact(statement).encode()
