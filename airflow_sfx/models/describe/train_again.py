"""How a person trains a model again: the last part of its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from airflow_sfx.models.describe.code import TRAIN
from airflow_sfx.models.describe.environment import LOCK, PLATFORM
from airflow_sfx.models.describe.inputs import Input
from airflow_sfx.models.record import ModelRecord


def train_again(
    record: ModelRecord, inputs: Sequence[Input], entries: Mapping[str, bytes]
) -> list[str]:
    """Return the lines that say how, with the warehouse and with exported rows.

    Args:
        record: The model's record.
        inputs: The batches that it was trained on.
        entries: The entries of the artifact.

    Returns:
        The lines, as Markdown.
    """
    zipped = f"{record.name}-{record.version}.zip"
    recipe = json.loads(entries[TRAIN]) if TRAIN in entries else None
    lines = ["## Train it again", ""]
    if recipe and inputs:
        lines += [
            "With the warehouse of the batches, which holds them for this model; it says whether"
            " the new model is the same:",
            "",
            *_block("bash", "export SFX_WAREHOUSE=…", f"sfx model reproduce {zipped} --trust code"),
            "Without it, of this zip and the rows:",
            "",
        ]
    steps = [_install(record, zipped, entries)]
    if inputs:
        steps.append(_rows(zipped))
    steps.append(_call(inputs, recipe) if recipe else _without_recipe(entries))
    for number, (title, block) in enumerate(steps, 1):
        lines += [f"{number}. {title}", "", *(f"   {line}".rstrip() for line in block)]
    return lines


def _install(
    record: ModelRecord, zipped: str, entries: Mapping[str, bytes]
) -> tuple[str, list[str]]:
    version = json.loads(entries[PLATFORM])["python"]
    python = ".".join(version.split(".")[:2])
    return (
        f"Install the packages that trained it, with Python {version}:",
        _block(
            "bash",
            f"unzip {zipped} -d {record.name}",
            f"cd {record.name}",
            f"python{python} -m venv .venv",
            f".venv/bin/pip install -r {LOCK}",
        ),
    )


def _rows(zipped: str) -> tuple[str, list[str]]:
    return (
        "Get the rows as `ROLE.parquet` in this folder. Where the warehouse is, this exports them:",
        _block(
            "python",
            "import airflow_sfx as sfx",
            "",
            f'for role, pin in sfx.models.load("{zipped}").inputs.items():',
            '    sfx.load_dataframe(pin).to_parquet(f"{role}.parquet")',
        ),
    )


def _call(inputs: Sequence[Input], recipe: Mapping[str, Any]) -> tuple[str, list[str]]:
    roles = json.dumps([one.role for one in inputs])
    module, function = _importable(recipe), recipe["function"]
    return (
        "Call the function that trained it, in `.venv/bin/python`. What it prints is the model and"
        " its metrics: compare with `metrics.json`, and the model's answers to"
        " `examples/input.json` with `examples/output.json`.",
        _block(
            "python",
            "import json",
            "import sys",
            "",
            "import pandas as pd",
            "",
            'sys.path.insert(0, "code")',
            f"from {module} import {function}",
            "",
            f'frames = {{role: pd.read_parquet(f"{{role}}.parquet") for role in {roles}}}',
            f'params = json.load(open("{TRAIN}"))["params"]',
            f"print({function}(frames, params))",
        ),
    )


def _importable(recipe: Mapping[str, Any]) -> str:
    """Return the name by which Python finds the function's module in ``code/``.

    It differs from the module's own for one that was loaded by its path, such as a DAG file.
    """
    entry = str(recipe["modules"][recipe["module"]])
    steps = PurePosixPath(entry).with_suffix("").parts[1:]
    return ".".join(steps[:-1] if steps[-1] == "__init__" else steps)


def _without_recipe(entries: Mapping[str, bytes]) -> tuple[str, list[str]]:
    sources = sorted(name for name in entries if name.startswith("code/") and name.endswith(".py"))
    code = ", ".join(f"`{name}`" for name in sources) or "none was captured"
    return (
        "Run the code, with the parameters in `params.json`, and compare with `metrics.json` and"
        " `examples/`. The function that trained it was not named (`trained_by=`), so read it:"
        f" {code}.",
        [],
    )


def _block(language: str, *lines: str) -> list[str]:
    return [f"```{language}", *lines, "```", ""]
