"""``@task.batch`` in real DAG runs."""

from __future__ import annotations

import json

import pytest

from airflow_sfx import BatchPin, PartitionNotFound, TableNotFound

DAY = "2013-01-01"


def pin_of(run, task):
    data = run.xcoms[task]["__data__"]
    return BatchPin.from_json(
        json.dumps({name: data[name] for name in ("database", "table", "location", "batches")})
    )


def numbers(warehouse, table, partition=None, **options):
    return warehouse.load_dataframe(table, "numbers", partition, **options)["n"].tolist()


@pytest.fixture(scope="module")
def pinned(airflow):
    return airflow.succeed("pinned", DAY)


def test_the_next_task_gets_exactly_the_pinned_batch_after_the_partition_moved_on(
    pinned, warehouse
):
    assert numbers(warehouse, "pinned") == [-1]
    total = warehouse.load_dataframe(pin_of(pinned, "total"))
    assert (total["n"][0], total["now"][0]) == (6, -3)


def test_the_xcom_is_the_pin_of_the_stored_batch(pinned, warehouse):
    assert warehouse.load_dataframe(pin_of(pinned, "numbers"))["n"].tolist() == [1, 2, 3]


def test_the_pins_that_came_in_are_the_inputs_of_the_batch(pinned, warehouse):
    (manifest,) = warehouse.manifests(pin_of(pinned, "total"))
    assert manifest.inputs == (pin_of(pinned, "numbers"), pin_of(pinned, "move_on"))


def test_the_batch_tells_which_task_instance_made_it(pinned, warehouse):
    producer = warehouse.manifests(pin_of(pinned, "numbers"))[0].producer
    assert (producer.dag_id, producer.run_id, producer.task_id) == (
        "pinned",
        pinned.run_id,
        "numbers",
    )
    assert (producer.try_number, producer.map_index, producer.run_type) == (1, -1, "manual")
    assert (producer.logical_date, producer.user) == ("2013-01-01T00:00:00+00:00", "dag_test")
    assert producer.dag_version
    assert producer.host
    assert {"airflow-sfx", "apache-airflow", "pandas"} <= set(producer.packages)


def test_a_plain_task_is_recorded_as_well(pinned, warehouse):
    entry = warehouse.history("pinned", "numbers", ["20130101"])[0]
    assert (entry.producer.task_id, entry.producer.run_id) == ("move_on", pinned.run_id)
    assert entry.producer.run_type == "manual"


def test_the_reason_is_a_template(pinned, warehouse):
    assert warehouse.history("pinned", "numbers", ["20130101"])[-1].reason == "of 2013-01-01"


def test_the_default_partition_is_the_logical_date(pinned):
    assert list(pin_of(pinned, "numbers").batches) == ["20130101"]


def test_the_log_names_the_pin_and_not_the_rows(pinned):
    assert f"Published pinned.numbers 20130101@{pin_of(pinned, 'numbers').batch_id}" in pinned.log
    assert "Returned value was:    n" not in pinned.log


def test_the_default_partition_of_a_partitioned_run_is_its_key(airflow):
    run = airflow.succeed("keyed", partition_key="2013.W01")
    assert list(pin_of(run, "store").batches) == ["2013.W01"]
    (manifest,) = airflow.warehouse.manifests(pin_of(run, "store"))
    assert manifest.producer.partition_key == "2013.W01"
    assert manifest.producer.logical_date is None


def test_a_run_without_key_and_date_is_told_to_name_the_partition(airflow):
    run = airflow.run("checked")
    assert run.state == "failed"
    assert "the run of the task numbers has neither a partition key nor a logical date" in run.log


def test_each_library_s_frames_come_and_go(airflow):
    run = airflow.succeed("libraries", DAY)
    assert airflow.warehouse.load_dataframe(pin_of(run, "four"))["n"].tolist() == [1, 2]


@pytest.fixture(scope="module")
def mapped(airflow):
    return airflow.succeed("mapped", DAY)


def test_a_portable_function_is_the_function_of_a_task(airflow, warehouse):
    run = airflow.succeed("portable")
    frame = warehouse.load_dataframe(pin_of(run, "doubled"))
    assert frame["doubled"].dtype == "Int64"
    assert frame["doubled"].fillna(-1).tolist() == [2, -1, 6]
    assert warehouse.manifests(pin_of(run, "doubled"))[0].inputs == (pin_of(run, "numbers"),)


def test_each_instance_of_a_mapped_task_writes_its_own_partition(mapped, warehouse):
    assert warehouse.load_dataframe("mapped", "days").to_numpy().tolist() == [
        [10, "20130101"],
        [20, "20130102"],
        [30, "20130103"],
    ]
    indexes = [
        warehouse.manifests(pin_of(mapped, f"load[{n}]"))[0].producer.map_index for n in range(3)
    ]
    assert indexes == [0, 1, 2]


def test_mapped_pins_are_mapped_over_and_joined(mapped, warehouse):
    assert warehouse.load_dataframe("mapped", "double")["n"].tolist() == [20, 40, 60]
    assert warehouse.load_dataframe(pin_of(mapped, "add"))["n"].tolist() == [60]
    (manifest,) = warehouse.manifests(pin_of(mapped, "add"))
    assert manifest.inputs == tuple(pin_of(mapped, f"load[{n}]") for n in range(3))


def test_pins_cross_xcom_inside_a_list(mapped):
    assert [value["__data__"]["batches"] for value in mapped.xcoms["count"]] == [
        pin_of(mapped, f"load[{n}]").batches for n in range(3)
    ]


def test_mapped_instances_may_not_replace_each_other_s_batch(airflow, warehouse):
    run = airflow.run("mapped_onto_one", DAY)
    assert run.state == "failed"
    assert "the mapped task load does not say which partition" in run.log
    with pytest.raises(TableNotFound):
        warehouse.pin("mapped_onto_one", "t")


def test_a_retry_is_recorded_with_its_number(airflow, warehouse):
    run = airflow.succeed("retried", DAY)
    assert run.tasks == {"numbers": ["success", 2]}
    assert numbers(warehouse, "retried") == [2]
    (entry,) = warehouse.history("retried", "numbers", ["20130101"])
    assert entry.producer.try_number == 2


def test_a_failing_check_leaves_the_partition_as_it_was_and_the_batch_staged(airflow, warehouse):
    good = pin_of(airflow.succeed("checked", DAY), "numbers")
    run = airflow.run("checked", DAY, conf={"rows": 9})
    assert run.state == "failed"
    assert "rows_between(2, 5)" in run.log
    assert warehouse.pin("checked", "numbers") == good
    (staged,) = warehouse.show("checked", "numbers").staged
    assert len(warehouse.load_dataframe(staged)) == 9


def test_a_staged_batch_is_published_by_a_later_task(airflow, warehouse):
    run = airflow.succeed("staged", DAY)
    (entry,) = warehouse.history("staged", "numbers", ["20130101"])
    assert (entry.reason, entry.producer.task_id) == ("audited", "publish")
    assert warehouse.pin("staged", "numbers") == pin_of(run, "numbers")


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("../../etc", "which became"),
        ("", "which became"),
        ("a\nb", "which became"),
        (None, "and a value in it is None"),
    ],
)
def test_a_template_that_becomes_no_partition_value_is_refused(airflow, warehouse, day, told):
    run = airflow.run("hostile", DAY, conf={"day": day})
    assert run.state == "failed"
    assert f"the task store has partitions=['{{{{ params.day }}}}'], {told}" in run.log
    with pytest.raises(TableNotFound):
        warehouse.pin("hostile", "t")


def test_a_template_that_becomes_no_table_is_refused(airflow):
    run = airflow.run("hostile", DAY, conf={"day": "p", "table": "../x"})
    assert run.state == "failed"
    assert "the task store has table='{{ params.table }}'" in run.log


def test_a_function_that_returns_no_frame_is_told_so(airflow, warehouse):
    run = airflow.run("no_frame", DAY)
    assert run.state == "failed"
    assert (
        "the function of the task store returned None (is a return statement missing?)" in run.log
    )
    with pytest.raises(TableNotFound):
        warehouse.pin("no_frame", "t")


def test_many_partitions_are_one_small_xcom(airflow):
    run = airflow.succeed("many", DAY)
    assert run.xcoms["rows"] == 300
    assert run.xcoms["store"]["__data__"]["partitions"] == 300
    assert len(json.dumps(run.xcoms["store"])) < 3_000


def test_a_connection_names_another_warehouse(airflow, tmp_path):
    import airflow_sfx as sfx

    uri = f"embedded://{tmp_path}/elsewhere"
    airflow.probe("set_connection", conn_id="sfx_elsewhere", uri=uri)
    airflow.succeed("elsewhere", DAY)
    assert len(sfx.connect(uri).load_dataframe("elsewhere", "t")) == 2
    with pytest.raises((TableNotFound, PartitionNotFound)):
        airflow.warehouse.pin("elsewhere", "t")


def test_plain_tasks_pass_pins_in_lists(airflow):
    assert airflow.succeed("plain", DAY).xcoms["load"] == [0, 1]


@pytest.mark.parametrize(
    ("decorator", "told"),
    [
        ("@task.batch", "needs the table"),
        ("@task.batch()", "needs the table"),
        ("@task.batch(table='sales')", "DATABASE.TABLE"),
        ("@task.batch(table='a.b', multiple_outputs=True)", "one output"),
    ],
)
def test_a_wrong_decorator_is_told_when_the_dag_is_parsed(airflow, decorator, told):
    source = (
        f"{decorator}\ndef f():\n    return None\n@dag(schedule=None)\ndef d():\n    f()\nd()\n"
    )
    _, message = airflow.probe("asked_at_parse_time", source=source)
    assert told in message
