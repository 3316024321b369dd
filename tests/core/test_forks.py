"""Objects that are called when the process forks."""

from __future__ import annotations

import gc
import os
import threading

from airflow_sfx.core.io.forks import ForkAware, register


class Recorder(ForkAware):
    """Writes down what it is called for."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def before_fork(self) -> None:
        self.calls.append("before")

    def after_fork_in_parent(self) -> None:
        self.calls.append("parent")

    def after_fork_in_child(self) -> None:
        self.calls.append("child")


def fork() -> None:
    """Fork, and wait for a child that ends at once."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def test_a_registered_object_is_called_before_a_fork_and_after_it_on_both_sides() -> None:
    recorder = Recorder([])
    register(recorder)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, " ".join(recorder.calls).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"before child"
    assert recorder.calls == ["before", "parent"]


def test_an_object_that_is_gone_is_not_called() -> None:
    calls: list[str] = []
    recorder = Recorder(calls)
    register(recorder)
    del recorder
    gc.collect()
    fork()
    assert calls == []


def test_threads_that_fork_at_the_same_time_each_call_an_object_for_their_own_fork() -> None:
    recorder = Recorder([])
    register(recorder)
    threads = [threading.Thread(target=fork) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(recorder.calls) == ["before"] * 8 + ["parent"] * 8


class Failing(ForkAware):
    """Fails before each fork."""

    def before_fork(self) -> None:
        raise RuntimeError("not now")


def test_an_object_that_fails_keeps_no_other_from_its_calls(caplog) -> None:
    failing, recorders = Failing(), [Recorder([]) for _ in range(8)]
    for one in (*recorders[:4], failing, *recorders[4:]):
        register(one)
    fork()
    assert all(one.calls == ["before", "parent"] for one in recorders)
    assert "Failing is not ready for a fork" in caplog.text


class Late(ForkAware):
    """Registers another object while the process prepares for a fork."""

    def __init__(self, other: ForkAware) -> None:
        self.other = other

    def before_fork(self) -> None:
        register(self.other)


def test_an_object_that_is_registered_during_a_fork_is_called_in_the_child() -> None:
    other = Recorder([])
    late = Late(other)
    register(late)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, " ".join(other.calls).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"child"
    assert other.calls == []
