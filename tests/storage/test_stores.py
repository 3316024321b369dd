"""The behaviour suite of storages, run against each of them."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import uuid
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.factory import open_place, open_store
from airflow_sfx.storage.local import LocalStore
from tests.warehouse.faults import FORKS

URIS = {"files": "file://{}/store", "memory": "memory:///"}


@pytest.fixture(params=URIS)
def store(request, tmp_path) -> ObjectStore:
    return open_store(URIS[request.param].format(tmp_path))


def test_what_is_put_is_got(store: ObjectStore) -> None:
    store.claim("t/p/1", "me")
    store.put("t/p/1/part", b"x" * 100_000)
    assert store.get("t/p/1/part") == b"x" * 100_000
    info = store.head("t/p/1/part")
    assert info is not None
    assert info.size == 100_000


def test_what_was_written_is_freed_without_a_garbage_collection(tmp_path) -> None:
    store = LocalStore(str(tmp_path))

    def written(put: Callable[[memoryview], object]) -> weakref.ref[object]:
        content = np.zeros(100_000, np.uint8)
        put(content.data)
        return weakref.ref(content)

    store.claim("t/p/1", "me")
    gc.disable()
    try:
        whole = written(lambda data: store.put("t/p/1/part", data))
        once = written(lambda data: store.put_if_absent("t/p/1/entry", data))
        again = written(lambda data: store.put_if_absent("t/p/1/entry", data))
        assert (whole(), once(), again()) == (None, None, None)
    finally:
        gc.enable()


_LISTS = """
import os, sys
from airflow_sfx.storage.factory import open_store
store = open_store(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
os.umask(0)
print(list(store.list("t/pins")))
"""


def test_a_directory_that_may_not_be_looked_into_is_not_taken_for_an_empty_one(tmp_path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    store.put_if_absent("t/pins/one", b"x")
    (tmp_path / "store" / "t" / "pins").chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", _LISTS, store.uri], capture_output=True, text=True, check=False
    )
    assert "WarehouseUnavailable" in done.stderr, done.stdout + done.stderr
    (tmp_path / "store" / "t" / "pins").chmod(0o700)
    assert [one.path for one in store.list("t/pins")] == ["t/pins/one"]


def test_a_place_that_is_only_looked_at_is_not_made(tmp_path) -> None:
    place, directory = open_place(f"file://{tmp_path}/nobody/made")
    assert (list(place.list(directory)), place.get("x"), list(place.list_directories(""))) == (
        [],
        None,
        [],
    )
    assert list(place.opener()().list("")) == []
    assert not (tmp_path / "nobody").exists()


@pytest.mark.parametrize("path", ["a//b", "./a", "a/..", "a/../b", "a\nb", "a/\0"])
def test_a_place_whose_path_no_object_can_have_is_refused(path) -> None:
    with pytest.raises(InvalidName, match="cannot be read"):
        open_place(f"s3://bucket/{path}")


@pytest.mark.parametrize(
    ("start", "stop", "part"), [(2, 5, b"234"), (7, 99, b"789"), (10, 20, b""), (99, 100, b"")]
)
def test_a_part_of_an_object_comes_with_the_size_of_the_whole(
    store: ObjectStore, start: int, stop: int, part: bytes
) -> None:
    store.put_if_absent("a/b", b"0123456789")
    found = store.view_part("a/b", start, stop)
    assert found is not None
    assert (bytes(found[0]), found[1]) == (part, 10)


def test_what_is_not_there_is_none(store: ObjectStore) -> None:
    assert store.get("a/b") is None
    assert store.view_part("a/b", 0, 1) is None
    assert store.head("a/b") is None
    assert store.list_directories("a") == []
    assert list(store.list("a")) == []


def test_an_object_is_created_once_and_stays(store: ObjectStore) -> None:
    assert store.put_if_absent("a/b/c", b"first")
    assert not store.put_if_absent("a/b/c", b"second")
    assert store.get("a/b/c") == b"first"


def test_a_writer_that_repeats_its_own_create_is_told_that_it_worked(store: ObjectStore) -> None:
    assert store.put_if_absent("a", b"mine")
    assert store.put_if_absent("a", b"mine")


def test_of_sixteen_threads_one_creates_an_object_and_one_takes_a_directory(
    store: ObjectStore,
) -> None:
    barrier = threading.Barrier(16)

    def race(number: int) -> tuple[bool, bool]:
        barrier.wait()
        return store.put_if_absent("x/object", f"{number}".encode()), store.claim(
            "x/dir/1", f"{number}"
        )

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(race, range(16)))
    assert [sum(won) for won in zip(*results, strict=True)] == [1, 1]
    winner = next(number for number, (created, _) in enumerate(results) if created)
    assert store.get("x/object") == f"{winner}".encode()


def test_of_many_objects_those_that_are_there_stay_and_the_others_are_written(
    store: ObjectStore,
) -> None:
    store.put_if_absent("many/7/x", b"first")
    store.put_if_absent("many/8/x", b"mine")
    objects = [(f"many/{number}/x", b"mine") for number in range(20)]
    assert store.put_all_if_absent(objects) == [number != 7 for number in range(20)]
    assert store.get("many/7/x") == b"first"
    assert {store.get(path) for path, _ in objects if path != "many/7/x"} == {b"mine"}
    assert sorted(info.path for info in store.list("many")) == sorted(path for path, _ in objects)


def test_of_eight_threads_that_write_the_same_objects_together_each_object_has_one_winner(
    store: ObjectStore,
) -> None:
    barrier = threading.Barrier(8)

    def race(number: int) -> list[bool]:
        barrier.wait()
        return store.put_all_if_absent(
            [(f"race/{turn}", f"{number}".encode()) for turn in range(50)]
        )

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(race, range(8)))
    assert [sum(won) for won in zip(*results, strict=True)] == [1] * 50
    for turn in range(50):
        assert store.get(f"race/{turn}") == str([won[turn] for won in results].index(True)).encode()


def test_a_directory_that_is_to_be_durable_later_is_taken_once(store: ObjectStore) -> None:
    assert store.claim("t/1", "a")
    assert not store.claim("t/1", "b")
    store.put("t/1/part", b"data", synced=False)
    assert store.put_all_if_absent([("t/1/manifest", b"text")]) == [True]
    assert store.get("t/1/part") == b"data"
    with (
        pytest.raises(InvalidName, match="written once")
        if store.local_path("")
        else contextlib.nullcontext()
    ):
        store.put("t/1/part", b"data", synced=False)


def test_a_listing_leaves_out_files_that_are_being_written(tmp_path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    store.put_if_absent("t/a/x", b"1")
    unfinished = f"x#{uuid.uuid4().hex}"
    (tmp_path / "store/t/a" / unfinished).write_bytes(b"half")
    assert (tmp_path / "store/t/a" / unfinished).exists()
    assert [info.path for info in store.list("t")] == ["t/a/x"] == store.paths("")


def test_many_objects_of_which_one_cannot_be_written_leave_no_file_that_is_half_done(
    tmp_path,
) -> None:
    store = open_store(f"file://{tmp_path}/store")
    store.put_if_absent("t", b"a file")
    with pytest.raises(WarehouseUnavailable, match="store/t/x"):
        store.put_all_if_absent([("a/x", b"1"), ("t/x", b"2"), ("b/x", b"3")])
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == ["t"]


def test_listing_shows_objects_at_any_depth_and_directories_one_level_down(
    store: ObjectStore,
) -> None:
    for path in ("t/a/1/x", "t/a/2/y", "t/b/3/z", "u/x"):
        store.put_if_absent(path, path.encode())
    assert sorted(info.path for info in store.list("t")) == ["t/a/1/x", "t/a/2/y", "t/b/3/z"]
    for directory in ("", "t", "t/a", "none"):
        assert sorted(store.paths(directory)) == sorted(one.path for one in store.list(directory))
    assert list(store.list_directories("t")) == ["a", "b"]
    assert list(store.list_directories("t/a")) == ["1", "2"]


def test_a_copy_has_the_same_content_and_the_source_stays(store: ObjectStore) -> None:
    store.claim("t/1", "a")
    store.claim("t/2", "a")
    store.put("t/1/part", b"data")
    store.copy("t/1/part", "t/2/part")
    assert store.get("t/1/part") == store.get("t/2/part") == b"data"


@pytest.mark.parametrize("name", ["a%2Fb", "ü ~}", "a=b", "%5Fsfx", "2016-10-31 05%3A00"])
def test_names_with_special_characters_come_back_from_a_listing(
    store: ObjectStore, name: str
) -> None:
    store.put_if_absent(f"t/{name}/x", b"1")
    assert list(store.list_directories("t")) == [name]
    assert [info.path for info in store.list("t")] == [f"t/{name}/x"]


def race_in_a_process(uri: str, number: int, results) -> None:
    store = open_store(uri)
    won = [store.put_if_absent(f"race/{turn}/entry", uuid.uuid4().bytes) for turn in range(40)]
    took = [store.claim(f"race/{turn}/dir", f"{number}") for turn in range(40)]
    results.put((won, took))


def test_of_four_processes_one_wins_each_race(tmp_path) -> None:
    uri, results = f"file://{tmp_path}/store", FORKS.Queue()
    processes = [
        FORKS.Process(target=race_in_a_process, args=(uri, number, results)) for number in range(4)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
    for kind in (0, 1):
        assert [sum(turn) for turn in zip(*(one[kind] for one in found), strict=True)] == [1] * 40


def test_a_path_that_leaves_the_root_is_refused(tmp_path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    (tmp_path / "secret").write_text("s")
    with pytest.raises(InvalidName, match="leaves the warehouse"):
        store.get("../secret")


def test_a_file_where_a_directory_should_be_is_named(tmp_path) -> None:
    store = open_store(f"file://{tmp_path}/store")
    store.put_if_absent("t", b"a file")
    with pytest.raises(WarehouseUnavailable, match="store/t/a"):
        store.put_if_absent("t/a", b"1")
    with pytest.raises(WarehouseUnavailable, match="store/t/a"):
        store.claim("t/a/1", "x")
    assert store.get("t") == b"a file"


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("", "cannot be read as a URI.*as in file:///absolute/path or s3://bucket/prefix"),
        ("/plain", "cannot be read as a URI.*as in file:///absolute/path or s3://bucket/prefix"),
        ("ftp://x", "is not supported"),
        ("file://relative/path", "is not supported"),
        ("s3://", "is not supported"),
    ],
)
def test_a_uri_that_names_no_storage_is_refused(uri: str, told: str) -> None:
    with pytest.raises(InvalidName, match=told):
        open_store(uri)


def test_a_child_of_a_process_that_has_used_object_storage_is_refused_and_does_not_hang() -> None:
    store = open_store("memory:///")
    assert store.put_if_absent("a", b"1")
    forks = multiprocessing.get_context("fork")
    told, tell = forks.Pipe(duplex=False)

    def use() -> None:
        try:
            store.get("a")
        except WarehouseUnavailable as error:
            tell.send(str(error))

    child = forks.Process(target=use)
    child.start()
    assert told.poll(60), "the child hangs"
    assert "this process was forked from one that had used object storage" in told.recv()
    child.join()


def test_a_child_that_was_forked_before_the_first_use_may_use_object_storage() -> None:
    code = (
        "import os\n"
        "from airflow_sfx.storage.factory import open_store\n"
        "store = open_store('memory:///')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if store.put_if_absent('a', b'1') and store.get('a') == b'1' else 1)\n"
        "print(os.waitpid(child, 0)[1], store.get('a'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "0 None"


@pytest.mark.parametrize("moment", [1, 2, 3])
@pytest.mark.parametrize(
    "create",
    [
        lambda store: store.put_all_if_absent([("a/b/c/x", b"1")]) == [True],
        lambda store: store.put_if_absent("a/b/c/x", b"1"),
        lambda store: store.claim("a/b/c/x", "mine"),
    ],
    ids=["many", "one", "claim"],
)
def test_a_directory_that_retention_removes_while_it_is_made_is_made_again(
    tmp_path, monkeypatch, create, moment
) -> None:
    store = LocalStore(str(tmp_path / "w"))
    make, made = os.mkdir, []

    def make_and_remove(path: str, *arguments: int) -> None:
        make(path, *arguments)
        made.append(path)
        if len(made) == moment:
            store.delete([f"{os.path.relpath(path, tmp_path / 'w')}/gone"])

    monkeypatch.setattr(os, "mkdir", make_and_remove)
    assert create(store)
    assert (tmp_path / "w" / "a" / "b" / "c" / "x").exists()
    assert len(made) > moment


@pytest.mark.parametrize("seed", range(3))
def test_directories_listed_together_have_the_objects_of_each(store, seed: int) -> None:
    chance = random.Random(seed)
    tables = [f"d.t{number}{end}" for number in range(60) for end in ("", "_x", "%2Ey", "-z", "+")]
    names = chance.sample(tables, 90)
    for name in names:
        for number in range(chance.choice((1, 1, 2, 5))):
            store.put_if_absent(f"index/{name}/2016-11-0{number + 1}/{number}", b"")
    store.put_if_absent("indexes/d.t1/x", b"")
    store.put_if_absent("index2", b"")
    chosen = [*chance.sample(names, 70), "d.t1none"]
    each = [info.path for name in chosen for info in store.list(f"index/{name}")]
    together = [info.path for info in store.list_siblings("index", chosen)]
    assert sorted(together) == sorted(each)
    assert store.list_siblings("index", []) == []
