"""A pin crosses XCom: small, readable, and checked when it is read."""

from __future__ import annotations

import base64
import copy
import json
import random
import zlib
from datetime import datetime, timedelta

import pytest

from airflow_sfx import BatchPin

PIN = BatchPin(
    "sales", "sold_items", "s3://bucket/sales.db/sold_items", (("20161031", "20161101002256"),)
)


def many(partitions, batch_id):
    days = (datetime(1990, 1, 1) + timedelta(days=n) for n in range(partitions))
    return BatchPin.of(PIN.ref, PIN.location, {f"{day:%Y%m%d}": batch_id() for day in days})


def test_a_pin_of_one_partition_is_small_and_readable(airflow):
    value, shown = airflow.probe("write_xcom", pin=PIN.to_json())
    assert len(json.dumps(value)) < 1_000
    assert airflow.probe("read_xcom", value=value) == ["", PIN.to_json()]
    for text in ("sales", "sold_items", "20161031", "20161101002256"):
        assert text in shown


@pytest.mark.parametrize("alike", [True, False], ids=["one-batch-id", "a-batch-id-each"])
def test_a_pin_of_ten_thousand_partitions_takes_less_than_100_kb(airflow, alike):
    dice = random.Random(7)
    first = datetime(2016, 1, 1)

    def batch_id():
        seconds = 0 if alike else dice.randrange(10 * 365 * 86_400)
        return f"{first + timedelta(seconds=seconds):%Y%m%d%H%M%S}"

    pin = many(10_000, batch_id)
    value, shown = airflow.probe("write_xcom", pin=pin.to_json())
    assert len(json.dumps(value)) < 100_000
    assert "10000" in shown
    assert airflow.probe("read_xcom", value=value) == ["", pin.to_json()]


def changed(**members):
    def change(data):
        data.update(members)

    return change


def packed(content):
    def change(data):
        del data["batches"]
        data["zlib"] = base64.b85encode(content).decode()

    return change


FORGERIES = {
    "a step up": changed(batches={"../../etc": "20161101002256"}),
    "an absolute path": changed(batches={"/etc": "20161101002256"}),
    "no batch ID": changed(batches={"20161031": "latest"}),
    "a number": changed(batches={"20161031": 20161101002256}),
    "no batches": changed(batches=None),
    "a list": changed(batches=["20161031"]),
    "a database": changed(database="sales; drop"),
    "a table": changed(table="../x"),
    "no location": changed(location=None),
    "not zlib": packed(b"x" * 30),
    "cut short": packed(zlib.compress(b'[["20161031"],["20161101002256"]]')[:-6]),
    "a bomb": packed(zlib.compress(b" " * (80 * 2**20), 9)),
    "a packed step up": packed(zlib.compress(b'[["../x"],["20161101002256"]]')),
    "packed lists of different lengths": packed(zlib.compress(b'[["a","b"],["20161101002256"]]')),
    "a pickle": packed(
        b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_pin_is_refused(airflow, forgery):
    value, _ = airflow.probe("write_xcom", pin=PIN.to_json())
    forged = copy.deepcopy(value)
    forgery(forged["__data__"])
    kind, message = airflow.probe("read_xcom", value=forged)
    assert kind == "InvalidName", message


def test_a_pin_of_a_later_version_is_refused_with_what_to_do(airflow):
    value, _ = airflow.probe("write_xcom", pin=PIN.to_json())
    kind, message = airflow.probe("read_xcom", value=value | {"__version__": 99})
    assert kind == "InvalidName"
    assert "install the same airflow_sfx" in message


def model_pin(data):
    return {"__classname__": "airflow_sfx.models.pin.ModelPin", "__version__": 1, "__data__": data}


def test_the_pin_of_a_model_crosses_xcom_without_a_setting(airflow):
    data = {"model": "delays", "version": "20161101002256"}
    assert airflow.probe("read_xcom", value=model_pin(data)) == [
        "",
        json.dumps(data, separators=(",", ":")),
    ]


@pytest.mark.parametrize(
    "data",
    [
        {"model": "../x", "version": "20161101002256"},
        {"model": "delays", "version": "latest"},
        {"model": "delays"},
        {"model": ["delays"], "version": 20161101002256},
        ["delays", "20161101002256"],
    ],
    ids=str,
)
def test_a_forged_pin_of_a_model_is_refused(airflow, data):
    kind, message = airflow.probe("read_xcom", value=model_pin(data))
    assert kind == "InvalidName", message
