"""MLflow's model format: a folder that MLflow itself loads.

Its ``MLmodel`` is written as JSON, which is YAML. The artifact is in it as it is, so that the
answers are the same for every flavour; a portable scorer is there as MLflow's flavour ``onnx``,
too.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.core.serde import compact
from airflow_sfx.models.describe.golden import INPUT
from airflow_sfx.models.exports.carried import ENTRY, code_files, python_of, requirements
from airflow_sfx.models.flavours.onnx import ONNX
from airflow_sfx.models.model import Model
from airflow_sfx.models.schema.signature import Feature, Output

_EXAMPLES = 5
_INPUTS = {"number": "double", "boolean": "boolean", "text": "string", "integer": "long"}
_OUTPUTS = {"double": "double", "int64": "long", "bool": "boolean", "string": "string"}
_ONNX = "model.onnx"


def mlflow_files(model: Model, artifact: bytes) -> dict[str, bytes]:
    """Return the files of a model in MLflow's format.

    Args:
        model: The model.
        artifact: Its zip file.

    Returns:
        Their content by path.
    """
    needed, python = requirements(model), python_of(model)
    rows = _examples(model)
    files = {
        "MLmodel": _json(_mlmodel(model)),
        "requirements.txt": "".join(f"{one}\n" for one in needed).encode(),
        "python_env.yaml": _json(
            {
                "python": python,
                "build_dependencies": ["pip"],
                "dependencies": ["-r requirements.txt"],
            }
        ),
        "conda.yaml": _json(
            {
                "name": "mlflow-env",
                "channels": ["conda-forge"],
                "dependencies": [f"python={python}", "pip", {"pip": ["mlflow", *needed]}],
            }
        ),
        "input_example.json": compact(rows).encode(),
        "serving_input_example.json": compact({"dataframe_split": rows}).encode(),
        _artifact_name(model): artifact,
        **{f"code/{name}": content for name, content in code_files().items()},
    }
    if ONNX in model.entries:
        files[_ONNX] = model.entries[ONNX]
    return files


def _mlmodel(model: Model) -> dict[str, Any]:
    """Return the description of the folder, which is the same for the same version."""
    signature = model.signature
    flavours: dict[str, Any] = {
        "python_function": {
            "loader_module": ENTRY,
            "code": "code",
            "data": _artifact_name(model),
            "config": {"trust": []},
            "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            "python_version": python_of(model),
        }
    }
    if ONNX in model.entries:
        flavours["onnx"] = {"data": _ONNX, "providers": ["CPUExecutionProvider"], "code": None}
    return {
        "flavors": flavours,
        "model_uuid": model.record.digest[:32],
        "utc_time_created": f"{moment_of(model.version):%Y-%m-%d %H:%M:%S.%f}",
        "metadata": {"airflow_sfx": str(model), "digest": model.record.digest},
        "signature": {
            "inputs": compact(list(map(_input, signature.inputs))),
            "outputs": compact(list(map(_output, signature.outputs))),
            "params": None,
        },
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
        },
    }


def _input(feature: Feature) -> dict[str, object]:
    """Return a column as MLflow's schema has it.

    MLflow has neither missing integers nor categories: such columns are ``any`` for it, and checked
    by the model itself.
    """
    plain = feature.categories is None and (feature.kind == "number" or not feature.nullable)
    kind = _INPUTS.get(feature.kind, "any") if plain else "any"
    return {"type": kind, "name": feature.name, "required": True}


def _output(output: Output) -> dict[str, object]:
    if output.type.startswith("list"):
        return {"type": "array", "items": {"type": "double"}, "name": output.name, "required": True}
    return {"type": _OUTPUTS.get(output.type, "any"), "name": output.name, "required": True}


def _examples(model: Model) -> dict[str, object]:
    """Return some golden rows whose numbers are finite, as JSON has no others."""
    columns = msgspec.json.decode(model.entries[INPUT], type=dict[str, list[Any]])
    rows = [
        row
        for row in zip(*columns.values(), strict=True)
        if not any(one in ("Infinity", "-Infinity") for one in row)
    ]
    return {"columns": list(columns), "data": rows[:_EXAMPLES]}


def _artifact_name(model: Model) -> str:
    return f"{model.name}-{model.version}.zip"


def _json(document: object) -> bytes:
    return f"{json.dumps(document, indent=2)}\n".encode()
