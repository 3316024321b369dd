"""Thousands of waiting sensors ask the metastore once a table and poll."""

from __future__ import annotations


def test_all_who_wait_on_a_table_share_one_question_a_poll(airflow, tmp_path):
    told = airflow.probe(
        "shared_polls", uri=f"embedded://{tmp_path / 'w'}", waiters=500, seconds=0.5
    )
    assert told["served"] == 500
    (refused,) = told["refused"]
    assert refused.startswith(
        "InvalidName: ('p0', 'too many') is not a partition of polled.items, whose keys are: day"
    )
    assert told["asked before"].get("get_partitions", 0) == 0, "there is no table yet"
    assert told["no table"] == 1, "the log has it once"
    assert 3 <= told["asked before"]["get_table"] <= 5
    assert told["asked after"].get("get_partitions", 0) <= 2, "all are served within two polls"


def test_a_sensor_of_a_table_that_does_not_exist_says_so_once_and_keeps_waiting(airflow):
    run = airflow.run("waiting_for_no_table")
    assert run.state == "failed"
    assert run.log.count("there is no table waiting.misspelt in embedded://") == 1
    assert run.log.count("1 of 1 are not there yet") > 1
