"""Pins, manifests and log entries: written and read back the same, and every edit noticed."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_sfx.core.errors import InconsistentBatch, InvalidName, StaleAttempt
from airflow_sfx.core.log_entry import (
    REMEMBERED_ATTEMPTS,
    Change,
    LogEntry,
    Operation,
    next_entry,
    time_after,
)
from airflow_sfx.core.manifest import CheckResult, DataFile, Manifest
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, ColumnStatistics
from airflow_sfx.core.stored.blocks import to_blocks
from airflow_sfx.core.stored.call_manifest import CallManifest, manifest_digest, manifests_to_bytes
from airflow_sfx.core.table import TableRef

REF = TableRef("sales", "items")
PIN = BatchPin.of(REF, "s3://b/sales.db/items", {"b": "20161101002257", "a": "20161101002256"})
NOW = datetime(2016, 11, 1, 0, 22, 57, tzinfo=UTC)
MANIFEST = Manifest(
    ref=REF,
    partition="2016/Köln",
    keys=(PartitionKey("year", "int"), PartitionKey("city")),
    batch_id="20161101002256",
    schema="p:abc",
    columns=(Column("price", "double"),),
    files=(
        DataFile("part-00000.parquet", 10, 3, "ab", "etag"),
        DataFile("part-00001.parquet", 5, 2, "", ""),
    ),
    created_at=NOW,
    statistics={"price": ColumnStatistics(1, 0.5, 9.5)},
    producer=Producer(dag_id="d", run_id="r", task_id="t", try_number=1, packages={"pyarrow": "1"}),
    inputs=(PIN,),
    replaced="20161031000000",
    checks=(CheckResult("rows", passed=False, detail='3 "rows"'),),
)


def test_a_pin_is_a_frozen_hashable_value_that_survives_json() -> None:
    again = BatchPin.from_json(PIN.to_json())
    assert again == PIN
    assert len({again, PIN}) == 1
    assert PIN.batches == {"a": "20161101002256", "b": "20161101002257"}
    with pytest.raises(InvalidName, match="2 different"):
        _ = PIN.batch_id
    with pytest.raises(FrozenInstanceError):
        PIN.table = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {"database": "../x"},
        {"table": 3},
        {"location": None},
        {"batches": None},
        {"batches": {"a": "../../../../"}},
        {"batches": {"../a": "20161101002256"}},
        {"batches": {"/a": "20161101002256"}},
        {"batches": [["a", "20161101002256"]]},
        {"batches": {"a": 20161101002256}},
    ],
)
def test_a_forged_pin_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidName):
        BatchPin.from_json(json.dumps({**json.loads(PIN.to_json()), **change}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("x", "malformed"),
        (None, "bytes-like"),
        ("[" * 100_000, "Expected `object`"),
        ("null", "Expected `object`"),
        ("[]", "Expected `object`"),
        ('"x"', "Expected `object`"),
        ("{}", "missing required field `database`"),
        ('{"database":"d","table":"t","location":"l"}', "missing required field `batches`"),
        (
            '{"database":"d","table":3,"location":"l","batches":{}}',
            r"Expected `str`, got `int` - at `$.table`",
        ),
        (
            '{"database":"d","table":"t","location":"l","batches":[]}',
            "Expected `object`, got `array` - at `$.batches`",
        ),
        (
            '{"database":"d","table":"t","location":"l","batches":{"20161031":1}}',
            "Expected `str`, got `int` - at `$.batches[...]`",
        ),
    ],
)
def test_what_is_not_a_pin_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(
        InvalidName,
        match=rf"is not a pin \(.*{re.escape(why)}.*\): pass what BatchPin.to_json wrote",
    ):
        BatchPin.from_json(text)


@pytest.mark.parametrize("version", [2, 99, "x", None])
def test_a_pin_of_a_version_that_is_not_known_is_refused(version: object) -> None:
    text = json.dumps(
        {**json.loads(PIN.to_json()), "version": version, "batches": {"a": "of another kind"}}
    )
    with pytest.raises(
        InvalidName,
        match=f"a pin of version {version!r} and this package reads version 1: install the later",
    ):
        BatchPin.from_json(text)


def opened(data: bytes) -> CallManifest:
    found = CallManifest.open(lambda start, stop: (memoryview(data)[start:stop], len(data)), "m")
    assert found is not None
    return found


def test_the_manifests_of_a_call_are_read_as_they_were_written() -> None:
    check = CheckResult("rows", passed=False, detail="none", severity="warn")
    other = replace(
        MANIFEST,
        partition="",
        files=(),
        statistics={},
        replaced="20161101002255",
        location="s3://b/x",
        checks=(*MANIFEST.checks, check),
    )
    data = manifests_to_bytes([MANIFEST, other])
    assert opened(data).all() == [other, MANIFEST]
    assert opened(data).find([MANIFEST.partition, "no"]) == {MANIFEST.partition: MANIFEST}
    assert (MANIFEST.rows, MANIFEST.bytes) == (5, 15)


def test_a_digest_is_that_of_the_batch_whatever_else_the_call_wrote() -> None:
    (again,) = opened(manifests_to_bytes([MANIFEST])).all()
    assert manifest_digest(again) == manifest_digest(MANIFEST)
    assert manifest_digest(replace(MANIFEST, replaced=None)) != manifest_digest(
        replace(MANIFEST, replaced="20161101002255")
    )


def test_every_edit_and_every_truncation_of_a_manifest_is_noticed() -> None:
    data = manifests_to_bytes([MANIFEST])
    for position in range(len(data) - 1):
        changed = bytes([data[position] ^ 1])
        with pytest.raises(InconsistentBatch):
            opened(data[:position] + changed + data[position + 1 :]).all()
        with pytest.raises(InconsistentBatch):
            opened(data[:position]).all()


def resealed(**members: object) -> bytes:
    """Return the manifest with other members in the header, whose checksum fits."""
    header = json.loads(manifests_to_bytes([MANIFEST]).partition(b"\n")[0])
    records = opened(manifests_to_bytes([MANIFEST]))._blocks.all()
    left = {name: one for name, one in header.items() if name not in ("blocks", "checksum")}
    return to_blocks({**left, **members}, records)


def test_members_of_a_later_version_are_left_out_and_a_later_format_is_refused() -> None:
    assert opened(resealed(mood="good")).all() == [MANIFEST]
    with pytest.raises(InconsistentBatch, match="later airflow_sfx"):
        opened(resealed(format=2))


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x"])
def test_a_file_outside_of_the_batch_is_refused(path: str) -> None:
    data = manifests_to_bytes([replace(MANIFEST, files=(DataFile(path, 1, 1, "", ""),))])
    with pytest.raises(InconsistentBatch, match="not below"):
        opened(data).all()


@pytest.mark.parametrize(
    "members",
    [{"partitions": "x"}, {"batch_id": "x"}, {"created_at": "now"}, {"schema": None}],
)
def test_members_of_another_kind_are_refused(members: dict[str, object]) -> None:
    with pytest.raises(InconsistentBatch):
        opened(resealed(**members))


def follow(head: LogEntry | None, batch: str | None, **options: object) -> LogEntry:
    operation = Operation.PUBLISH if batch else Operation.ROLLBACK
    defaults = {
        "version": head.version + 1 if head else 1,
        "commit": "c",
        "at": time_after(NOW, head.at if head else None),
        "reason": "",
    }
    producer = options.pop("producer", Producer())
    return next_entry(
        head,
        Change("p", operation, batch),
        producer=producer,
        **{**defaults, **options},
    )


def test_entries_tell_what_came_before_and_times_only_grow() -> None:
    first = follow(None, "20161101000001")
    second = follow(first, "20161101000002")
    third = follow(second, None)
    assert (second.previous, second.parent, second.previous_origin, second.origin) == (
        "20161101000001",
        1,
        1,
        2,
    )
    assert first.at < second.at < third.at
    assert (third.batch_id, third.origin, third.newest) == (None, 0, "20161101000002")
    assert time_after(first.at - timedelta(days=1), first.at) > first.at


def attempt(number: int, *, task: str = "t", attempt_id: str | None = None) -> Producer:
    return Producer(dag_id="d", run_id="r", task_id=task, try_number=number, attempt_id=attempt_id)


def test_an_older_attempt_is_refused_even_after_others_have_written() -> None:
    head = follow(None, "20161101000001", producer=attempt(2))
    head = follow(head, "20161101000002", producer=attempt(1, task="other"))
    with pytest.raises(
        StaleAttempt, match=r"attempt 1 .* may not change sales.items p: a newer attempt"
    ) as caught:
        follow(head, "20161101000003", producer=attempt(1), table="sales.items")
    assert (caught.value.table, caught.value.partition) == ("sales.items", "p")
    assert follow(head, "20161101000003", producer=attempt(2)).batch_id == "20161101000003"
    assert follow(head, "20161101000003", producer=replace(attempt(1), map_index=7)).batch_id


def test_an_attempts_own_id_goes_before_its_number_since_runs_are_made_anew() -> None:
    early, late = "0199aaaa-0000-7000-8000-000000000000", "0199bbbb-0000-7000-8000-000000000000"
    head = follow(None, "20161101000001", producer=attempt(3, attempt_id=early))
    head = follow(head, "20161101000002", producer=attempt(1, attempt_id=late))
    with pytest.raises(StaleAttempt):
        follow(head, "20161101000003", producer=attempt(4, attempt_id=early))


def test_no_more_attempts_are_remembered_than_are_needed() -> None:
    head = None
    for number in range(REMEMBERED_ATTEMPTS + 9):
        head = follow(head, f"201611010000{number:02d}", producer=attempt(1, task=f"t{number}"))
    assert head is not None
    assert len(head.attempts) == REMEMBERED_ATTEMPTS
    assert "d/r/t40/-1" in head.attempts
