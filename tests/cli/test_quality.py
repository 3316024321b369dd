"""The commands metrics and check: what they print, and their exit status."""

from __future__ import annotations

import json
import shlex
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.docs.pages import ROOT, blocks

FIRST = date(2016, 10, 1)


def night(number: int, factor: float = 1.0) -> pd.DataFrame:
    revenue = np.random.default_rng(number).normal(50, 5, 100) * factor
    return pd.DataFrame({"revenue": revenue, "day": f"{FIRST + timedelta(number):%Y%m%d}"})


@pytest.fixture
def orders(warehouse):
    nights = pd.concat([night(number) for number in range(30)], ignore_index=True)
    warehouse.store_dataframe(nights, "shop", "orders", partition_by=["day"])
    return warehouse


@pytest.fixture
def bad_night(orders) -> str:
    pin = orders.store_dataframe(night(30, 0.01), "shop", "orders", partition_by=["day"])
    return next(iter(pin.batches))


def test_metrics_exits_with_1_if_the_newest_partition_is_unusual(
    command, orders, request: pytest.FixtureRequest
) -> None:
    good = command("metrics", "shop.orders", "revenue", "--last", "3")
    assert (good.returncode, good.stderr) == (0, "")
    assert len(good.stdout.splitlines()) == 5
    day = request.getfixturevalue("bad_night")
    bad = command("metrics", "shop.orders")
    assert bad.returncode == 1
    assert f"{day}: the mean of 'revenue' is 0." in bad.stderr
    assert bad.stdout.splitlines()[-1].endswith("mean")


def test_metrics_as_json(command, bad_night) -> None:
    done = command("metrics", "shop.orders", "--last", "2", "--read", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert [one["partition"] for one in found["partitions"]] == ["20161030", bad_night]
    figures = found["partitions"][1]["columns"]["revenue"]
    assert (figures["nulls"], figures["distinct"]) == (0, 100)
    (anomaly,) = found["anomalies"]
    assert (anomaly["partition"], anomaly["column"], anomaly["metric"]) == (
        bad_night,
        "revenue",
        "mean",
    )
    assert command("metrics", "shop.orders", "--partition", "20161015").returncode == 0
    wrong = command("metrics", "shop.orders", "price")
    assert wrong.returncode == 1
    assert "has no column 'price': name one of revenue" in wrong.stderr


def test_checks_are_declared_in_a_file_run_and_listed(command, bad_night, tmp_path) -> None:
    nothing = command("check", "shop.orders")
    assert nothing.returncode == 1
    assert "has no checks: declare them" in nothing.stderr
    path = tmp_path / "checks.toml"
    path.write_text(
        '[[check]]\nname = "rows_between"\nlow = 10\n'
        '[[check]]\nname = "like_before"\ncolumn = "revenue"\n'
    )
    done = command("check", "shop.orders", "--set", str(path), "--reason", "as agreed")
    assert (done.returncode, done.stdout) == (0, "shop.orders has 2 checks\n")
    found = command("check", "shop.orders")
    assert found.returncode == 1
    assert found.stdout.startswith("2 checks on 31 current batches of shop.orders: 1 failed")
    assert "like_before('revenue')  fail      the mean of 'revenue' is" in found.stdout
    good = command("check", "shop.orders", "20161030")
    assert good.stdout == "2 checks on 1 current batch of shop.orders: none failed\n"
    assert good.returncode == 0
    results = json.loads(command("check", "shop.orders", bad_night, "--json").stdout)
    assert [one["passed"] for one in results[0]["results"]] == [True, False]
    listed = command("check", "shop.orders", "--list")
    assert "rows_between(10, inf), like_before('revenue')" in listed.stdout
    assert "as agreed" in listed.stdout


def test_wrong_files_and_options_are_refused(command, orders, tmp_path) -> None:
    missing = command("check", "shop.orders", "--set", "nothing.toml")
    assert missing.returncode == 1
    assert "nothing.toml cannot be read" in missing.stderr
    path = tmp_path / "checks.toml"
    path.write_text('[[check]]\nname = "outliers"\n')
    wrong = command("check", "shop.orders", "--set", str(path))
    assert wrong.returncode == 1
    assert "'outliers' is not a check that a table can have: name one of fresh" in wrong.stderr
    assert command("check", "shop.orders", "20161030", "--list").returncode == 2


def test_the_commands_of_the_page_run_as_shown(command, orders, tmp_path: Path) -> None:
    page = ROOT / "docs/quality.md"
    (text,) = blocks(page, "toml")
    (tmp_path / "checks.toml").write_text(text)
    lines = [line for text in blocks(page, "console") for line in text.splitlines()]
    assert len(lines) == 5
    for line in lines:
        _, program, *arguments = shlex.split(line)
        assert program == "sfx"
        done = command(*arguments, cwd=str(tmp_path))
        assert done.returncode == 0, line + done.stderr
