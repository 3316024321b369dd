"""Versions are listed from summaries, which say what the log and the artifacts say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.log import saves, saving
from airflow_sfx.models.log.promotion import save_of
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.storage.local import LocalStore

ROWS = pd.DataFrame({"distance": [1400.0, 200.0]})


def saved(models: ModelRegistry, slope: float) -> ModelPin:
    options = {"metrics": {"mae": slope}, "reason": f"slope {slope}", "example": ROWS}
    return models.save(Coefficients({"distance": slope}), "delays", **options)


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setattr(saves, "SIZE", 3)
    monkeypatch.setattr(saving, "_SUMMARISES_ONE_OF", 1 << 300)


@pytest.fixture
def many(small, models) -> list[ModelPin]:
    """Eight versions, of which one was saved again, and one went back."""
    pins = [saved(models, number) for number in range(1, 6)]
    saved(models, 2)
    models.rollback("delays", "latest", to=pins[0])
    return pins + [saved(models, number) for number in range(6, 9)]


@pytest.fixture
def looked(monkeypatch) -> Iterator[list[str]]:
    """The paths that are read from storage."""
    seen: list[str] = []
    for call in ("get", "view_part"):
        original = getattr(LocalStore, call)
        monkeypatch.setattr(
            LocalStore,
            call,
            lambda self, path, *more, do=original: (seen.append(path), do(self, path, *more))[1],
        )
    return seen


def directory(warehouse) -> Path:
    return Path(warehouse.store.local_path("models.db/delays/_sfx/saves"))


def test_a_list_of_all_versions_reads_few_objects_the_second_time(
    warehouse, models, many, looked
) -> None:
    first = models.versions("delays", limit=None)
    assert [one.pin for one in first] == many[::-1]
    assert [one.reason for one in first][-2:] == ["slope 2", "slope 1"]
    assert len(list(directory(warehouse).iterdir())) == 3
    before = len(looked)
    looked.clear()
    assert models.versions("delays", limit=None) == first
    assert len([path for path in looked if path.endswith(".zip")]) == 1
    assert len(looked) < before
    for limit in range(9):
        assert models.versions("delays", limit=limit) == first[:limit]
    for one in first:
        aliases = dict.fromkeys(one.aliases, one.pin.version)
        table = models._registry().table("delays")
        assert save_of(table, one.pin, aliases) == one


def test_what_is_listed_is_the_same_without_summaries_and_with_damaged_ones(
    warehouse, models, many, caplog
) -> None:
    first = models.versions("delays", limit=None)
    for number, path in enumerate(sorted(directory(warehouse).iterdir())):
        data = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(data[: len(data) // 2] if number else b"[]")
    assert models.versions("delays", limit=None) == first
    assert "is damaged, and the log is read instead" in caplog.text
    shutil.rmtree(directory(warehouse))
    assert models.versions("delays", limit=None) == first


def test_summaries_are_written_by_saves_now_and_then(warehouse, small, models, monkeypatch) -> None:
    monkeypatch.setattr(saving, "_SUMMARISES_ONE_OF", 1)
    pins = [saved(models, number) for number in range(1, 8)]
    assert len(list(directory(warehouse).iterdir())) == 2
    assert [one.pin for one in models.versions("delays", limit=None)] == pins[::-1]


def test_a_role_that_may_only_read_lists_and_a_save_is_done_without_a_summary(
    warehouse, models, many, monkeypatch
) -> None:
    original = LocalStore.put_if_absent

    def refuse(self: LocalStore, path: str, data: bytes) -> bool:
        if "/_sfx/saves/" in path:
            raise WarehouseUnavailable(f"{path} may not be written")
        return original(self, path, data)

    monkeypatch.setattr(LocalStore, "put_if_absent", refuse)
    monkeypatch.setattr(saving, "_SUMMARISES_ONE_OF", 1)
    assert [one.pin for one in models.versions("delays", limit=None)] == many[::-1]
    assert saved(models, 9) == models.resolve("delays")
    assert not directory(warehouse).exists()
