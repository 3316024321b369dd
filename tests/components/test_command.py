"""The command components, on a packed component and on the zip of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from airflow_sfx import components
from airflow_sfx.cli.main import app
from airflow_sfx.models.artifact.writer import write_artifact

WEIGHTS = np.random.default_rng(0).normal(size=300).round(3)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["components", *arguments])


def test_a_packed_component_is_described(tmp_path: Path) -> None:
    path = tmp_path / "weights.packed"
    path.write_bytes(components.pack(WEIGHTS, {"abs": 0.01}))
    done = run(str(path))
    assert done.exit_code == 0, done.output
    assert "vector" in done.output
    assert "abs 0.01" in done.output
    (row,) = json.loads(run(str(path), "--json").stdout)
    assert (row["name"], row["kind"], row["codec"]) == ("weights.packed", "vector", "small")
    assert row["bytes"] == path.stat().st_size
    assert row["ratio"] > 1
    assert 0 < row["error"] <= 0.01


def test_the_components_of_a_model_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "delays.zip"
    entries = {
        "MODEL.json": b"{}",
        "components/scores.packed": components.pack({"UA": 0.5}),
        "components/weights.packed": components.pack(WEIGHTS),
        "CARD.md": b"# Delays",
    }
    path.write_bytes(write_artifact(entries))
    rows = json.loads(run(str(path), "--json").stdout)
    assert [(row["name"], row["kind"]) for row in rows] == [
        ("scores.packed", "map"),
        ("weights.packed", "vector"),
    ]
    path.write_bytes(write_artifact({"MODEL.json": b"{}", "CARD.md": b"# Delays"}))
    done = run(str(path))
    assert done.exit_code == 0
    assert "has no components" in done.output


@pytest.mark.parametrize(
    "content", [b"", b"no component", components.pack(WEIGHTS)[:-1], b"PK\x03"]
)
def test_what_is_not_a_component_is_refused_on_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    done = run(str(path))
    assert done.exit_code == 1
    assert done.output.startswith("ModelRefused: x")
    assert done.output.count("\n") == 1


@pytest.mark.parametrize("path", ["/nowhere/x", "/", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_wrong_usage(path: str) -> None:
    done = run(path)
    assert done.exit_code == 2
    assert "cannot be read" in done.output
