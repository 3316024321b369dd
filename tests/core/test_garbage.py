"""Garbage collection pauses while blocks ask for it, and goes on afterwards."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from airflow_sfx.core.garbage import collection_paused


def test_collection_goes_on_after_the_last_of_overlapping_blocks() -> None:
    begun, done = threading.Event(), threading.Event()

    def other() -> None:
        with collection_paused():
            begun.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    with collection_paused():
        thread.start()
        assert begun.wait(10)
    assert not gc.isenabled()
    done.set()
    thread.join()
    assert gc.isenabled()


def test_collection_goes_on_after_an_error() -> None:
    with pytest.raises(ValueError, match="oops"), collection_paused():
        raise ValueError("oops")
    assert gc.isenabled()


def test_a_program_that_has_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_child_forked_meanwhile_collects() -> None:
    with collection_paused():
        child = os.fork()
        if not child:
            enabled = gc.isenabled()
            with collection_paused():
                paused = not gc.isenabled()
            os._exit(0 if enabled and paused and gc.isenabled() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gc.isenabled()
