"""Airflow discovers the package: connection type, form, decorator and plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.hooks import airflow_internals
from airflow_sfx.provider_info import get_provider_info


def test_airflow_discovers_the_provider_without_a_complaint(airflow):
    found = airflow.probe("provider")
    assert found["complaints"] == []
    assert found["version"] == sfx.__version__
    assert (found["hook"], found["testable"]) == ("airflow_sfx.hooks.sfx.SfxHook", True)
    assert found["decorators"] == ["batch_task", "model_task"]


def test_every_module_of_classes_is_in_the_metadata():
    package = Path(sfx.__file__).parent
    for kind in ("Operator", "Sensor", "Trigger"):
        there = {
            ".".join(path.relative_to(package.parent).with_suffix("").parts)
            for path in (package / f"{kind.lower()}s").rglob("*.py")
            if re.search(rf"^class [A-Z]\w*{kind}\(", path.read_text(), re.MULTILINE)
            and path.stem not in ("_base", "base")
            and path.parent.name != "base"
        }
        (told,) = get_provider_info()[f"{kind.lower()}s"]
        assert set(told["python-modules"]) == there


def test_the_connection_form_asks_for_the_warehouse_and_the_connections_it_uses(airflow):
    form = airflow.probe("provider")["form"]
    assert form["hook_name"] == "Batch warehouse (sfx)"
    assert list(form["extra_fields"]) == ["warehouse", "metastore_conn_id", "aws_conn_id"]
    assert form["extra_fields"]["warehouse"]["schema"]["title"] == "Warehouse"
    hidden = [name for name, field in form["standard_fields"].items() if field and field["hidden"]]
    assert sorted(hidden) == ["host", "login", "password", "port", "url_schema"]


def test_the_plugin_loads_in_the_core_and_in_tasks(airflow):
    for found in airflow.probe("plugins").values():
        assert found["plugins"].count("sfx") == 1
        assert found["errors"] == {}


def test_the_button_test_opens_the_warehouse_and_lists_its_databases(airflow, tmp_path):
    uri = f"embedded://{tmp_path}/w"
    sfx.connect(uri).store_dataframe(_frame(), "sales", "sold_items", ["20161031"])
    assert airflow.probe("test_connection", extra={"warehouse": uri}) == [
        True,
        f"{uri} has 1 database: sales",
    ]


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (None, "names no warehouse"),
        ({"warehouse": "  "}, "names no warehouse"),
        ({"warehouse": "ftp://somewhere/x"}, "names no warehouse: use one of embedded:"),
        ({"warehouse": "embedded:///proc/nowhere"}, "/proc/nowhere"),
    ],
)
def test_the_button_test_says_what_is_wrong(airflow, extra, told):
    worked, message = airflow.probe("test_connection", extra=extra)
    assert not worked
    assert told in message, message


def test_a_missing_connection_is_named_with_what_to_set(airflow):
    kind, message = airflow.probe("hook_error")
    assert kind == "WarehouseUnavailable"
    assert "'sfx_tried'" in message
    assert "AIRFLOW_CONN_SFX_TRIED" in message


def test_a_connection_of_another_type_is_refused(airflow):
    kind, message = airflow.probe("hook_error", connection={"conn_type": "aws"})
    assert kind == "InvalidName"
    assert "'sfx_tried'" in message
    assert "'aws'" in message


@pytest.mark.parametrize(
    "uri",
    ["hive://ada:hunter2@host:9083?location=s3://b", "embedded:///w?secret_access_key=hunter2"],
)
def test_a_secret_in_the_uri_is_refused_and_not_shown(airflow, uri):
    kind, message = airflow.probe(
        "hook_error", connection={"conn_type": "sfx", "extra": {"warehouse": uri}}
    )
    assert kind == "InvalidName"
    assert "hunter2" not in message


def test_a_connection_from_the_environment_opens_its_warehouse(airflow, tmp_path):
    uri = f"embedded://{tmp_path}/w"
    assert airflow.probe(
        "hook_error", connection={"conn_type": "sfx", "extra": {"warehouse": uri}}
    ) == ["", uri]


def test_the_connection_sfx_default_is_the_default_warehouse(airflow, tmp_path):
    uri = f"embedded://{tmp_path}/w"
    assert airflow.probe("default_warehouse") == [None, None]
    assert airflow.probe("default_warehouse", uri=uri) == [uri, uri]


def test_the_connection_in_the_environment_counts_where_airflow_does_not_run(airflow, tmp_path):
    uri = f"embedded://{tmp_path}/w"
    environment = {
        **airflow.environment,
        "AIRFLOW_CONN_SFX_DEFAULT": f'{{"conn_type": "sfx", "extra": {{"warehouse": "{uri}"}}}}',
    }
    del environment["SFX_WAREHOUSE"]
    code = "import airflow_sfx as sfx; print(sfx.connect().uri)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == uri


def test_outside_of_a_task_the_producer_is_the_process(airflow):
    none, producer = airflow.probe("outside_of_a_task")
    assert none
    assert "dag_id" not in producer
    assert producer["host"]


def test_the_scheduler_alone_writes_a_backfill_into_its_runs_and_asks_for_it_once(airflow):
    found = airflow.probe("backfills_in_runs")
    assert (found["writers"], found["writers if off"]) == (["scheduler"], [])
    backfill = {"id": found["number"], "reprocess": "completed"}
    assert (found["conf"], found["asked"]) == ({"mine": 1, "sfx_backfill": backfill}, 1)


def test_private_parts_of_airflow_are_used_in_one_module_and_with_tested_versions():
    package = Path(sfx.__file__).parent
    private = re.compile(
        r"\bairflow\.(models|utils|jobs|_\w+)\b|_airflow_from_mapped|\._(input|key)\b"
    )
    used = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if private.search(path.read_text())
    }
    assert used == {"hooks/airflow_internals.py"}
    assert version("apache-airflow") in airflow_internals.TESTED_VERSIONS


def test_a_change_of_very_many_partitions_with_different_batch_ids_sends_no_events(airflow):
    assert airflow.probe("events_of", partitions=2000, batch_ids=2) == {"outlets": 1, "said": True}
    assert airflow.probe("events_of", partitions=2001, batch_ids=1) == {"outlets": 1, "said": True}
    assert airflow.probe("events_of", partitions=2001, batch_ids=2) == {"outlets": 0, "said": False}


def _frame():
    import pandas as pd

    return pd.DataFrame({"n": [1]})
