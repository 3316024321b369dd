"""DAGs that start on batches: each run gets the pin of the event that started it."""

from __future__ import annotations

import os
import subprocess
import sys

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.assets import announce
from dags_examples.local_airflow import LocalAirflow

READERS = ("event_reader", "event_reader_once", "event_reader_of_two_keys", "event_reader_of_many")
SOURCES = (
    "event_source",
    "event_source_of_two_keys",
    "event_source_of_many",
    "event_source_staged",
    "event_rollback",
)
WITHOUT_KEYS = (
    "event_source_without_keys",
    "event_reader_without_keys",
    "event_reader_of_keys_that_never_come",
)


@pytest.fixture
def events(scheduler: LocalAirflow) -> LocalAirflow:
    scheduler.ready(*SOURCES, *READERS, "event_catch_up")
    return scheduler


def runs(scheduler: LocalAirflow, dag_id: str, key: str | None) -> list[dict]:
    found = scheduler.get(f"dags/{dag_id}/dagRuns", limit=100, order_by="-run_after")["dag_runs"]
    return [run for run in found if run["partition_key"] == key]


def started(scheduler: LocalAirflow, dag_id: str, key: str | None, count: int = 1) -> list[dict]:
    """The finished runs of a reader for a key, newest first."""

    def there() -> bool:
        found = runs(scheduler, dag_id, key)
        return len(found) >= count and all(run["state"] in ("success", "failed") for run in found)

    scheduler.until(there, f"{count} runs of {dag_id} for {key} have ended", seconds=300)
    found = runs(scheduler, dag_id, key)
    assert all(run["state"] == "success" for run in found), scheduler.task_log(
        dag_id, found[0]["dag_run_id"], "note"
    )
    return found


def seen(warehouse: sfx.Warehouse, reader: str, key: str) -> list[str]:
    """The batches that a reader's runs were started by, newest first."""
    found = []
    for entry in warehouse.history("seen", reader, [key]):
        (manifest,) = warehouse.manifests(
            sfx.BatchPin.of(
                sfx.TableRef("seen", reader),
                warehouse.pin("seen", reader, [key]).location,
                {key: entry.batch_id},
            )
        )
        found.append(manifest.inputs[0].batch_id)
    return found


def test_a_publish_starts_a_run_that_is_anchored_to_its_batch(events, scheduled_warehouse):
    events.succeed("event_source", partition_key="20130101")
    first = scheduled_warehouse.pin("events", "items", ["20130101"])
    started(events, "event_reader", "20130101")
    events.succeed("event_source", partition_key="20130101", conf={"n": 2})
    second = scheduled_warehouse.pin("events", "items", ["20130101"])
    started(events, "event_reader", "20130101", 2)
    assert seen(scheduled_warehouse, "event_reader", "20130101") == [
        second.batch_id,
        first.batch_id,
    ]


def test_a_run_that_is_cleared_later_is_still_anchored_to_its_batch(events, scheduled_warehouse):
    events.succeed("event_source", partition_key="20130102")
    first = scheduled_warehouse.pin("events", "items", ["20130102"])
    (run,) = started(events, "event_reader", "20130102")
    scheduled_warehouse.store_dataframe(pd.DataFrame({"n": [9]}), "events", "items", ["20130102"])
    events.clear("event_reader", run["dag_run_id"], ["note"])
    assert events.finish("event_reader", run["dag_run_id"]) == "success"
    (task,) = events.tasks("event_reader", run["dag_run_id"])
    assert task["try_number"] == 2
    # The same rows from the same batch: the second try found the first one's batch, and a newer one
    # would be another.
    assert seen(scheduled_warehouse, "event_reader", "20130102") == [first.batch_id]


def test_partitions_of_several_keys_have_keys_that_airflow_takes(events, scheduled_warehouse):
    events.succeed("event_source_of_two_keys")
    for country, key in (("US/East", "2016~2FUS~252FEast"), ("DE", "2016~2FDE")):
        started(events, "event_reader_of_two_keys", key)
        pin = scheduled_warehouse.pin("events", "by_country", [["2016", country]])
        assert seen(scheduled_warehouse, "event_reader_of_two_keys", key) == [pin.batch_id]


def test_one_publish_of_many_partitions_starts_a_run_for_each(events, scheduled_warehouse):
    events.succeed("event_source_of_many")
    for number in (0, 21):
        started(events, "event_reader_of_many", f"d{number:03d}")
        (batch_id,) = seen(scheduled_warehouse, "event_reader_of_many", f"d{number:03d}")
        assert batch_id == scheduled_warehouse.pin("events", "many", [f"d{number:03d}"]).batch_id


def test_a_staged_batch_starts_nothing_until_it_is_published(events, scheduled_warehouse):
    events.succeed("event_source_staged")
    started(events, "event_reader", "staged")
    assert len(runs(events, "event_reader", "staged")) == 1
    sent = events.get("assets/events", source_dag_id="event_source_staged")["asset_events"]
    assert [event["source_task_id"] for event in sent] == ["publish"]


def test_a_table_without_partitions_starts_those_that_are_scheduled_on_its_asset(
    events, scheduled_warehouse
):
    events.ready(*WITHOUT_KEYS)
    events.succeed("event_source_without_keys")
    started(events, "event_reader_without_keys", None)
    assert seen(scheduled_warehouse, "event_reader_without_keys", "none") == [
        scheduled_warehouse.pin("events", "totals").batch_id
    ]
    assert runs(events, "event_reader_of_keys_that_never_come", None) == []


def test_a_rollback_starts_a_run_that_reads_what_is_current_again(events, scheduled_warehouse):
    for n in (1, 2):
        events.succeed("event_source", partition_key="20130103", conf={"n": n})
        started(events, "event_reader_once", "20130103", n)
    events.succeed("event_rollback", conf={"day": "20130103"})
    newest = started(events, "event_reader_once", "20130103", 3)[0]
    found = seen(scheduled_warehouse, "event_reader_once", "20130103")
    assert found[0] == found[2] != found[1], "the change is new, although the batch is not"
    assert "rollback of" in events.task_log("event_reader_once", newest["dag_run_id"], "note")


def test_a_backfill_can_be_told_not_to_start_others(events, scheduled_warehouse):
    events.succeed("event_source", partition_key="20130104", conf={"sfx_cascade": False})
    events.succeed("event_source", partition_key="20130105")
    started(events, "event_reader", "20130105")
    assert runs(events, "event_reader", "20130104") == []


def test_an_event_that_comes_twice_is_taken_once_and_one_that_never_came_is_found(
    events, scheduled_warehouse
):
    token = events.token
    pin = scheduled_warehouse.store_dataframe(
        pd.DataFrame({"n": [1]}), "events", "items", ["20130106"]
    )
    announce(pin, events.url, token)
    started(events, "event_reader_once", "20130106")
    announce(pin, events.url, token)
    newest, first = started(events, "event_reader_once", "20130106", 2)
    states = [
        events.tasks("event_reader_once", run["dag_run_id"])[0]["state"] for run in (newest, first)
    ]
    assert states == ["skipped", "success"]
    assert seen(scheduled_warehouse, "event_reader_once", "20130106") == [pin.batch_id]

    scheduled_warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "events", "items", ["20130107"])
    run_id = events.succeed("event_catch_up")
    log = events.task_log("event_catch_up", run_id, "missed")
    assert "20130107" in log
    assert "20130106" not in log
    again = events.succeed("event_catch_up")
    assert "missed nothing" in events.task_log("event_catch_up", again, "missed")


def test_a_run_that_is_triggered_by_hand_reads_what_is_current(events, scheduled_warehouse):
    def store(n: int) -> sfx.BatchPin:
        frame = pd.DataFrame({"n": [n]})
        return scheduled_warehouse.store_dataframe(
            frame, "events", "items", ["20130110"], partition_keys=["day"]
        )

    def newest() -> str:
        return seen(scheduled_warehouse, "event_reader_once", "20130110")[0]

    store(1)
    first = store(2)
    run_id = events.succeed("event_reader_once", partition_key="20130110")
    assert newest() == first.batch_id
    later = store(3)
    events.clear("event_reader_once", run_id, ["note"])
    assert events.finish("event_reader_once", run_id) == "success"
    assert newest() == first.batch_id, "a cleared task reads what it read the first time"
    scheduled_warehouse.repin(dag_id="event_reader_once", run_id=run_id)
    events.clear("event_reader_once", run_id, ["note"])
    assert events.finish("event_reader_once", run_id) == "success"
    assert newest() == later.batch_id
    again = events.succeed("event_reader_once", partition_key="20130110")
    assert again != run_id
    assert newest() == later.batch_id, "a run by hand is not skipped"


def test_a_run_that_is_asked_to_pin_anew_does_not_read_its_event(events, scheduled_warehouse):
    events.succeed("event_source", partition_key="20130111")
    (run,) = started(events, "event_reader", "20130111")
    frame = pd.DataFrame({"n": [9]})
    now = scheduled_warehouse.store_dataframe(
        frame, "events", "items", ["20130111"], partition_keys=["day"]
    )
    scheduled_warehouse.repin(dag_id="event_reader", run_id=run["dag_run_id"])
    events.clear("event_reader", run["dag_run_id"], ["note"])
    assert events.finish("event_reader", run["dag_run_id"]) == "success"
    assert seen(scheduled_warehouse, "event_reader", "20130111")[0] == now.batch_id


def test_announce_starts_the_consumers_after_an_undo_by_command(events, scheduled_warehouse):
    first = scheduled_warehouse.store_dataframe(
        pd.DataFrame({"n": [1]}), "events", "items", ["20130112"], partition_keys=["day"]
    )
    events.succeed("event_source", partition_key="20130112", conf={"n": 2})
    started(events, "event_reader_once", "20130112")
    assert scheduled_warehouse.rollback("events", "items", ["20130112"]) == first
    assert [one.table for one in scheduled_warehouse.stale("seen", "event_reader_once")]
    environment = {
        **os.environ,
        "SFX_WAREHOUSE": scheduled_warehouse.uri,
        "SFX_AIRFLOW_URL": events.url,
        "SFX_AIRFLOW_TOKEN": events.token,
    }
    command = [sys.executable, "-m", "airflow_sfx.cli", "announce", "events.items", "20130112"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "sent 1 asset event of events.items 20130112" in done.stdout
    started(events, "event_reader_once", "20130112", 2)
    assert seen(scheduled_warehouse, "event_reader_once", "20130112")[0] == first.batch_id
    ours = [
        one
        for one in scheduled_warehouse.stale("seen", "event_reader_once")
        if one.partition == "20130112"
    ]
    assert ours == []


def test_the_event_of_a_rollback_names_the_tables_that_it_leaves_stale(events, scheduled_warehouse):
    for n in (1, 2):
        events.succeed("event_source", partition_key="20130113", conf={"n": n})
        started(events, "event_reader_once", "20130113", n)
    events.succeed("event_rollback", conf={"day": "20130113"})
    sent = events.get("assets/events", source_dag_id="event_rollback", limit=100)["asset_events"]
    (extra,) = [one["extra"]["sfx"] for one in sent if one["partition_key"] == "20130113"]
    assert "seen.event_reader_once" in extra["stale"]
