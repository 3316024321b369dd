"""Files are encoded before their directories are theirs, and written only then."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from airflow_sfx.core.manifest import DataFile
from airflow_sfx.warehouse.batch import file_writer
from airflow_sfx.warehouse.batch.file_writer import EncodedFile, FileWriter

NAMES = [f"201610{number:02d}" for number in range(40)]


class Files:
    """Encodes text, records each put and whether the claim was there.

    It also signals how many files have been encoded.
    """

    def __init__(self, claimed: Future[None]) -> None:
        self.claimed = claimed
        self.encoded = threading.Semaphore(0)
        self.put_early: list[str] = []
        self.content: dict[tuple[str, int], bytes] = {}

    def encode(self, rows: str) -> EncodedFile:
        self.encoded.release()
        return EncodedFile(memoryview(rows.encode()), len(rows), {})

    def put(self, name: str, number: int, file: EncodedFile) -> DataFile:
        if not self.claimed.done():
            self.put_early.append(name)
        self.content[name, number] = bytes(file.content)
        return DataFile(f"{name}/{number}", file.content.nbytes, file.rows, "", "")

    def await_encoded(self, count: int) -> None:
        for _ in range(count):
            assert self.encoded.acquire(timeout=60)


@pytest.mark.parametrize("small", [len(NAMES), 0])
def test_all_files_are_encoded_while_the_claim_is_under_way_and_put_after_it(small) -> None:
    claimed: Future[None] = Future()
    files = Files(claimed)
    with ThreadPoolExecutor(2) as pool:
        writer = FileWriter(pool, files.encode, files.put, claimed=claimed, small=small, threads=2)
        for name in NAMES:
            writer.add(name, _Rows(name))
        files.await_encoded(len(NAMES) - len(NAMES) % 5)
        assert files.content == {}
        claimed.set_result(None)
        written = list(writer.written())
    assert files.put_early == []
    assert files.content == {(name, 0): name.encode() for name in NAMES}
    assert [one.name for one in written] == NAMES
    assert [(one.file.rows, one.encoded.content.nbytes) for one in written] == [(8, 0)] * len(NAMES)


def test_encoded_files_wait_only_up_to_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(file_writer, "HELD_BYTES", 3 * len(NAMES[0]))
    claimed: Future[None] = Future()
    files = Files(claimed)
    with ThreadPoolExecutor(2) as pool:
        writer = FileWriter(pool, files.encode, files.put, claimed=claimed, small=0, threads=2)
        for name in NAMES:
            writer.add(name, _Rows(name))
        files.await_encoded(3 + 2)  # three wait, and each of two threads has one more in its hands
        assert not files.encoded.acquire(timeout=0.2)
        claimed.set_result(None)
        assert [one.name for one in writer.written()] == NAMES
    assert files.put_early == []


def test_a_claim_that_fails_fails_the_write_and_nothing_is_put() -> None:
    claimed: Future[None] = Future()
    files = Files(claimed)
    with ThreadPoolExecutor(2) as pool:
        writer = FileWriter(
            pool, files.encode, files.put, claimed=claimed, small=len(NAMES), threads=2
        )
        for name in NAMES:
            writer.add(name, _Rows(name))
        claimed.set_exception(OSError("the disk is full"))
        with pytest.raises(OSError, match="full"):
            list(writer.written())
    assert files.content == {}


def test_files_of_one_partition_are_numbered_in_their_order() -> None:
    claimed: Future[None] = Future()
    claimed.set_result(None)
    files = Files(claimed)
    with ThreadPoolExecutor(2) as pool:
        writer = FileWriter(pool, files.encode, files.put, claimed=claimed, small=0, threads=2)
        for name, rows in [("a", "one"), ("b", "two"), ("a", "three")]:
            writer.add(name, _Rows(rows))
        assert [one.file.path for one in writer.written()] == ["a/0", "b/0", "a/1"]
    assert files.content["a", 1] == b"three"


class _Rows(str):
    """Text in place of a table."""

    @property
    def nbytes(self) -> int:
        return len(self)
