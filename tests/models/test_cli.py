"""`sfx model`: every command on a warehouse with one model."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import airflow_sfx as sfx
from airflow_sfx.cli.main import app
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.registry import ModelRegistry
from tests.cli.conftest import on_a_terminal

FRAME = pd.DataFrame({"distance": [1400.0, 200.0, 740.0], "delay": [28.0, 4.0, 15.0]})


@pytest.fixture
def warehouse(tmp_path: Path) -> sfx.Warehouse:
    made = sfx.connect(f"embedded://{tmp_path}/warehouse")
    made.store_dataframe(FRAME, "air", "flights", ["20161031"])
    return made


def run(warehouse: sfx.Warehouse, *words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["--warehouse", warehouse.uri, "model", *words])
    assert done.exit_code == code, done.output
    return done


def saved(warehouse: sfx.Warehouse, tmp_path: Path, slope: float) -> str:
    file = tmp_path / "coefficients.json"
    file.write_text(json.dumps({"terms": {"distance": slope}}))
    words = ("--input", "train=air.flights/20161031", "--metric", f"mae={slope}", "--json")
    done = run(warehouse, "save", str(file), "delays", *words, "--target", "delay")
    return str(json.loads(done.stdout)["version"])


def test_a_promotion_on_a_terminal_asks_for_what_the_card_lacks(warehouse, tmp_path) -> None:
    pin = sfx.models.ModelPin("delays", saved(warehouse, tmp_path, 0.02))
    words = ("model", "promote", "delays", pin.version, "--card", "owner=Ada")
    refused = on_a_terminal(warehouse, b"plan gates\n\nfog\n", *words)
    assert refused.returncode == 1
    assert "does not state limits" in refused.stderr
    models = ModelRegistry(warehouse)
    assert models.aliases("delays") == {"latest": pin.version}
    done = on_a_terminal(warehouse, b"plan gates\nland\nfog\n", *words)
    assert done.returncode == 0, done.stderr
    for part in ("purpose", "limits", "risks"):
        assert f"{part} (Enter to leave it out)" in done.stderr
    assert "owner (Enter" not in done.stderr
    assert models.missing_card_parts(pin) == []
    assert "### Risks" not in models.card(pin)
    for title, text in (("Purpose", "plan gates"), ("Limits", "land"), ("Owner", "Ada")):
        assert f"### {title}\n\n{text}\n" in models.card(pin)
    again = on_a_terminal(warehouse, b"", *words[:4], "--to", "candidate")
    assert (again.returncode, "Enter to leave it out" in again.stderr) == (0, False)


def test_a_model_is_saved_promoted_shown_and_rolled_back(warehouse, tmp_path) -> None:
    first, second = (saved(warehouse, tmp_path, slope) for slope in (0.02, 0.03))
    refused = run(warehouse, "promote", "delays", first, "--card", "owner=Ada", code=1)
    assert "does not state purpose, limits, risks" in refused.stderr
    assert "pass --card purpose=TEXT, or --without-card" in refused.stderr
    done = run(warehouse, "promote", "delays", first, "--without-card")
    assert f"delays@production is {first}" in done.stdout
    card = [f"--card={part}=as told" for part in ("purpose", "owner", "limits", "risks")]
    words = ("promote", "delays", "@latest", *card, "--expected")
    run(warehouse, *words, second, code=1)
    run(warehouse, *words, first, "--reason", "nightly")
    assert (
        "Without purpose, owner, limits, risks"
        in run(warehouse, "show", f"delays/{first}", "--card").stdout
    )
    assert "### Owner" in run(warehouse, "show", "delays@production", "--card").stdout
    rows = run(warehouse, "list", "delays").stdout.splitlines()
    assert rows[2].split()[:5] == [second, "latest,", "production", "0.03", "coefficients"]
    done = run(warehouse, "rollback", "delays", "--dry-run")
    assert f"delays@production: {second} → {first}" in done.stdout
    run(warehouse, "rollback", "delays", code=2)
    done = run(warehouse, "rollback", "delays", "--yes", "--reason", "slow")
    assert f"delays@production is {first} again" in done.stdout
    history = json.loads(run(warehouse, "history", "delays", "--json").stdout)
    assert [one["batch_id"] for one in history] == [first, second, first]
    assert "nightly" in run(warehouse, "history", "delays@production").stdout
    assert "is as it was saved" in run(warehouse, "verify", "delays@production").stdout
    assert json.loads(run(warehouse, "list", "--json").stdout) == [
        {"name": "delays", "aliases": {"latest": second, "production": first}}
    ]


def test_a_zip_is_shown_without_a_warehouse(warehouse, tmp_path) -> None:
    version = saved(warehouse, tmp_path, 0.02)
    file = tmp_path / "delays.zip"
    run(warehouse, "show", "delays", "--into", str(file))
    run(warehouse, "show", "delays", "--into", str(file), code=1)
    for words in (["show", str(file)], ["show", str(file), "--card"]):
        done = CliRunner().invoke(app, ["model", *words], env={"SFX_WAREHOUSE": "embedded:///no"})
        assert done.exit_code == 0, done.output
        assert version in done.stdout
    done = CliRunner().invoke(app, ["model", "show", str(file), "--json"])
    assert json.loads(done.stdout)["metrics"] == {"mae": 0.02}
    file.write_bytes(file.read_bytes()[:-1])
    done = CliRunner().invoke(app, ["model", "show", str(file)])
    assert (done.exit_code, done.output.split(":")[0]) == (1, "ModelRefused")


def test_a_version_and_a_zip_are_exported(warehouse, tmp_path) -> None:
    saved(warehouse, tmp_path, 0.02)
    done = run(warehouse, "export", "delays", "--to", "oci", str(tmp_path / "image"))
    assert f"to {tmp_path}/image: oci" in done.stdout
    run(warehouse, "show", "delays", "--into", str(tmp_path / "delays.zip"))
    nowhere = {"SFX_WAREHOUSE": "embedded:///no"}
    words = ["model", "export", str(tmp_path / "delays.zip"), str(tmp_path / "same"), "--to", "oci"]
    found = json.loads(CliRunner().invoke(app, [*words, "--json"], env=nowhere).stdout)
    assert found["format"] == "oci"
    assert set(found["files"]) == {
        path.relative_to(tmp_path / "image").as_posix()
        for path in (tmp_path / "image").rglob("*")
        if path.is_file()
    }


def test_affected_models_are_listed_with_their_aliases(warehouse, tmp_path) -> None:
    assert "no model" in run(warehouse, "affected", "air.flights", "20161031").stdout
    version = saved(warehouse, tmp_path, 0.02)
    run(warehouse, "promote", "delays", version, "--without-card")
    done = run(warehouse, "affected", "air.flights", "20161031", code=1)
    assert f"{version}  latest, production" in done.stdout


def test_two_versions_and_two_files_are_compared(warehouse, tmp_path) -> None:
    first, _ = (saved(warehouse, tmp_path, slope) for slope in (0.02, 0.03))
    sides = [f"delays/{first}", "delays"]
    lines = run(warehouse, "diff", *sides, "--on", "air.flights").stdout.splitlines()
    assert any(line.split()[:5] == ["terms", "distance", "0.02", "0.03", "0.01"] for line in lines)
    assert any("air.flights" in line and "23.4" in line for line in lines), "the new mean"
    run(warehouse, "diff", *sides, "--exit-code", code=1)
    files = [str(tmp_path / name) for name in ("a.zip", "b.zip")]
    for side, file in zip(sides, files, strict=True):
        run(warehouse, "show", side, "--into", file)
    nowhere = {"SFX_WAREHOUSE": "embedded:///no"}
    done = CliRunner().invoke(app, ["model", "diff", *files, "--json", "--exit-code"], env=nowhere)
    found = json.loads(done.stdout)
    assert (done.exit_code, found["terms"][0]["after"]) == (1, 0.03)
    done = CliRunner().invoke(app, ["model", "diff", files[0], files[0], "--exit-code"])
    assert "have the same content" in done.stdout
    assert done.exit_code == 0, done.output


def test_drift_is_shown_and_exits_with_1(warehouse, tmp_path) -> None:
    saved(warehouse, tmp_path, 0.02)
    assert "0 scored" not in run(warehouse, "drift", "delays", "air.flights", "20161031").stdout
    longer = pd.DataFrame({"distance": [float(n) for n in range(5000, 5100)], "delay": 1.0})
    warehouse.store_dataframe(longer, "air", "flights", ["20161101"])
    words = ("drift", "delays", "air.flights", "20161101")
    rows = [line.split() for line in run(warehouse, *words, code=1).stdout.splitlines()]
    assert [row[1] for row in rows if row[0] in ("distance", "prediction")] == ["psi", "psi"]
    found = json.loads(run(warehouse, *words, "--json", code=1).stdout)
    assert found["columns"][0]["outside"] == 1.0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["save", "x.pkl", "delays", "--input", "train=air.flights/20161031"], 1, "running code"),
        (["save", "x.json", "delays", "--input", "air.flights"], 2, "NAME=VALUE"),
        (
            ["save", "x.json", "delays", "--input", "train=air.flights/20161031"],
            1,
            "cannot be read",
        ),
        (["show", "delays"], 1, "no model"),
        (["show", "no.zip"], 1, "cannot be read"),
        (["verify", "delays"], 1, "no model"),
        (["diff", "delays", "delays@production"], 1, "no model"),
        (["diff", "no.zip", "no.zip"], 1, "cannot be read"),
        (["drift", "delays", "air.flights"], 1, "no model"),
        (["reproduce", "delays"], 1, "no model"),
        (["export", "delays", "new"], 1, "no model"),
        (["sign", "delays", "--key", "no.pem"], 1, "no model"),
        (["sign", "no.zip", "--key", "no.pem"], 1, "cannot be read"),
        (["verify", "delays", "--key", "no.pub"], 1, "no model"),
        (["export", "no.zip", "new"], 1, "cannot be read"),
        (["why", "delays", "delays", "--metric", "mae"], 1, "no model"),
        (["rollback", "delays"], 1, "no model"),
        (["history", "delays/20161101002256"], 1, "not an alias"),
        (["promote", "delays", "latest"], 1, "not a batch ID"),
    ],
)
def test_what_cannot_be_done_is_said(warehouse, words, code, says) -> None:
    assert says in " ".join(run(warehouse, *words, code=code).output.split())


def test_the_registry_of_the_command_is_that_of_python(warehouse, tmp_path) -> None:
    version = saved(warehouse, tmp_path, 0.02)
    models = ModelRegistry(warehouse)
    assert models.resolve("delays").version == version
    train = warehouse.pin("air", "flights", ["20161031"])
    again = models.save(
        Coefficients({"distance": 0.02}), "delays", inputs={"train": train}, target="delay"
    )
    assert again.name == "delays"
