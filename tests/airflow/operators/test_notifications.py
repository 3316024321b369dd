"""Tasks pass their changes to Airflow's notifiers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import airflow_sfx as sfx
from airflow_sfx.operators.base.notifications import checked


@pytest.fixture
def told(tmp_path):
    """Run a DAG; return the notifications of that run, and its log."""

    def run(airflow, dag_id, *, state="success", **conf):
        path = tmp_path / "told"
        path.unlink(missing_ok=True)
        done = airflow.run(dag_id, conf={"path": str(path), **conf})
        assert done.state == state, done.log[-4000:]
        return [
            json.loads(line) for line in path.read_text().splitlines()
        ] if path.exists() else [], done.log

    return run


def test_a_publish_is_told_once_with_what_is_current_now(airflow, warehouse, told):
    ((text, batch),), log = told(airflow, "notified", rows=2)
    assert text == "write: publish of notified.items"
    assert batch["batches"] == dict(warehouse.pin("notified", "items", ["p"]).batches)
    assert (batch["rows"], batch["partitions"]) == (2, 1)
    assert "A notifier of publish failed" in log, "the one that is broken"
    assert "the mail server is down" in log


def test_a_check_that_said_no_is_told_with_what_it_found(airflow, warehouse, told):
    ((text, batch),), _ = told(airflow, "notified", state="failed", rows=9)
    assert text == "write: failed_check of notified.items"
    assert "rows_between" in batch["message"]
    assert "9" in batch["message"]
    (staged,) = warehouse.show("notified", "items").staged
    assert batch["batches"] == dict(staged.batches)


def test_a_change_of_something_else_is_told_by_the_task_that_finds_it(airflow, warehouse, told):
    told(airflow, "notified", rows=1)
    ref = sfx.TableRef("notified", "items")
    (info,) = (
        one
        for one in warehouse.metastore.get_partitions(ref).values()
        if one.partition.values == ("p",)
    )
    warehouse.metastore.repoint(ref, [replace(info, location=f"{info.location}/elsewhere")])
    found, _ = told(airflow, "notified", rows=3)
    assert [text for text, _ in found] == [
        "write: foreign_change of notified.items",
        "write: publish of notified.items",
    ]


def test_a_staged_batch_is_told_when_it_is_published(airflow, told):
    found, _ = told(airflow, "notified_of_publish")
    assert [text for text, _ in found] == ["publish: publish of notified.items"]


def test_a_rollback_is_told(airflow, warehouse, told):
    for rows in (1, 2):
        told(airflow, "notified", rows=rows)
    found, _ = told(airflow, "notified_of_rollback")
    assert [text for text, _ in found] == ["undo: rollback of notified.items"]
    assert found[0][1]["batches"] == dict(warehouse.pin("notified", "items", ["p"]).batches)


@pytest.mark.parametrize(
    ("notify", "said"),
    [
        ({"published": [print]}, "the events are publish, rollback, failed_check, foreign_change"),
        ({"publish": print}, "pass a list of notifiers"),
        ({"publish": ["mail"]}, "pass a list of notifiers"),
    ],
)
def test_what_cannot_be_told_is_refused_when_the_dag_file_is_parsed(notify, said):
    with pytest.raises(sfx.InvalidName, match=said):
        checked(notify, "write")
