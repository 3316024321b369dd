"""A reader with nothing but the zip, and the rows if there is no warehouse, follows the card."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.models.describe.code import code_of, trainer_of
from airflow_sfx.models.registry import ModelRegistry
from tests.models.conftest import flights
from tests.models.questions import retrained

_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
PARAMS = {"depth": 3, "seed": 7}


@pytest.fixture(scope="module")
def zipped(tmp_path_factory) -> tuple[Path, sfx.Warehouse]:
    """The zip of a version, in a folder of its own, and the warehouse of its batches."""
    warehouse = sfx.connect(f"embedded://{tmp_path_factory.mktemp('away')}/warehouse")
    models = ModelRegistry(warehouse)
    days = [f"201611{day:02d}" for day in range(1, 13)]
    nights = flights(600).assign(day=[days[n % 12] for n in range(600)])
    train = warehouse.store_dataframe(nights, "air", "flights", partition_by=["day"])
    test = warehouse.store_dataframe(flights(200, 9), "air", "test", ["a"])
    frames = {"train": warehouse.load_dataframe(train), "test": warehouse.load_dataframe(test)}
    model, metrics = retrained.train(frames, PARAMS)
    pin = models.save(
        model,
        "delays",
        inputs={"train": train, "test": test},
        target="delay",
        params=PARAMS,
        metrics=metrics,
        trained_by=retrained.train,
    )
    path = tmp_path_factory.mktemp("reader") / f"delays-{pin.version}.zip"
    path.write_bytes(models.fetch(pin))
    return path, warehouse


def blocks(path: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each block of a card."""
    with zipfile.ZipFile(path) as opened:
        card = opened.read("CARD.md").decode()
    again = card.partition("## Train it again")[2]
    found = _BLOCK.findall("\n".join(line.removeprefix("   ") for line in again.splitlines()))
    assert [language for language, _ in found] == ["bash", "bash", "python", "python"]
    return found


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_zip_and_the_exported_rows_train_the_model_again(zipped) -> None:
    path, warehouse = zipped
    _, (_, install), (_, export), (_, train) = blocks(path)
    folder = path.parent / "unpacked"
    zipfile.ZipFile(path).extractall(folder)
    assert f"unzip {path.name} -d delays" in install
    # All that it lists is installed here: pip says so without a network.
    lock = install.rpartition(" -r ")[2].strip()
    offline = ["install", "--dry-run", "--no-index", "--quiet", "-r", lock]
    run([sys.executable, "-m", "pip", *offline], folder)
    run([sys.executable, "-c", export], path.parent, SFX_WAREHOUSE=warehouse.uri)
    for role in ("train", "test"):
        (path.parent / f"{role}.parquet").rename(folder / f"{role}.parquet")
    # Neither the project nor this package is on the reader's path.
    shown = run(
        [sys.executable, "-P", "-c", f"{train}\nassert 'airflow_sfx' not in sys.modules"],
        folder,
        PYTHONPATH="",
    )
    (mae,) = re.findall(r"'mae': ([\d.]+)", shown)
    assert float(mae) == json.loads((folder / "metrics.json").read_text())["mae"]


def test_the_zip_and_the_warehouse_train_the_same_model_again(zipped) -> None:
    path, warehouse = zipped
    (_, commands), *_ = blocks(path)
    lines = commands.replace("SFX_WAREHOUSE=…", f"SFX_WAREHOUSE={warehouse.uri}")
    own = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run(["bash", "-euc", lines], path.parent, PATH=own)  # exits with 1 if it differs


def test_a_card_names_the_first_and_last_of_many_batches(zipped) -> None:
    path, _ = zipped
    with zipfile.ZipFile(path) as opened:
        card = opened.read("CARD.md").decode()
    assert card.count("sfx://air/flights/") == 2
    assert "| train | 10 batches between them: see `data/pins.json` | 600 |" in card
    assert "datasets:\n  - sfx://air/flights\n  - sfx://air/test\n---" in card


def test_what_calls_the_training_function_is_not_code_of_the_model(zipped) -> None:
    path, _ = zipped
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
        lock = opened.read("env/requirements.lock").decode()
    assert "code/tests/models/questions/retrained.py" in names
    assert not [name for name in names if "test_card" in name]
    assert "pytest" not in lock


def test_the_code_is_found_by_the_names_of_its_modules() -> None:
    entries = code_of([retrained])
    names = (
        "__init__",
        "models/__init__",
        "models/questions/retrained",
        "models/questions/scaling",
    )
    assert {f"code/tests/{name}.py" for name in names} <= entries.keys()
    recipe = json.loads(trainer_of(retrained.train, [retrained], {}))
    assert set(recipe["modules"].values()) <= entries.keys()


def test_modules_that_have_other_names_than_their_files_keep_apart(tmp_path) -> None:
    modules = []
    for number, name in enumerate(("Training", "__main__", "unusual_prefix_1_training")):
        path = tmp_path / str(number) / ("training.py" if number else "Training.py")
        path.parent.mkdir()
        path.write_text(f"NUMBER = {number}")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        modules.append(importlib.util.module_from_spec(spec))
    assert code_of(modules) == {
        "code/Training.py": b"NUMBER = 0",
        "code/training_2.py": b"NUMBER = 1",
        "code/training_3.py": b"NUMBER = 2",
    }
