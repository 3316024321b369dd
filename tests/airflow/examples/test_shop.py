"""The shop of ten nights on a scheduler, from its CSVs to the bad morning."""

from __future__ import annotations

import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import local_airflow
from dags_examples.shop import nights
from dags_examples.shop.csvs import CENTS, NIGHTS, REFUSED
from tests.airflow.conftest import airflow_environment

BAD, LATE = nights.partition(CENTS), nights.partition(REFUSED)


@pytest.fixture(scope="module")
def shop(open_folders):
    """The Airflow of the shop after its ten nights, and the run that loaded the cents."""
    home = open_folders("shop")
    nights.deliver(home)
    environment = airflow_environment(home, nights.DAGS) | nights.settings(home)
    with local_airflow(home / "home", nights.DAGS, environment) as running:
        nights.load_nights(running)
        yield running, nights.load_again(running)


@pytest.fixture(scope="module")
def warehouse(shop):
    running, _ = shop
    return sfx.connect(running.environment["SFX_WAREHOUSE"])


def test_ten_nights_are_loaded_and_one_delivery_is_refused(warehouse):
    days = [nights.partition(night) for night in NIGHTS]
    for table in ("orders", "customers", "items", "sales", "report"):
        assert sorted(warehouse.pin("shop", table).batches) == days
    (entry,) = warehouse.history("shop", "orders", [LATE])
    assert entry.reason == f"delivery 2 of {REFUSED}"


def test_the_cents_pass_the_checks_and_are_a_hundredth_of_the_revenue(warehouse):
    now, before = warehouse.history("shop", "report", [BAD])
    revenue = [
        warehouse.load_dataframe("shop", "report", [BAD], batch_id=one.batch_id)["revenue"].sum()
        for one in (before, now)
    ]
    assert revenue[1] == pytest.approx(revenue[0] / 100)
