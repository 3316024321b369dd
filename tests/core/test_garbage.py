"""Garbage is looked for seldom while blocks ask for it, and as often as before afterwards."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import pytest

from airflow_sfx.core.garbage import seldom_collected

SELDOM = 100_000


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield 700, 10, 10
    gc.set_threshold(*before)


def collections_of(count: int) -> int:
    """How often garbage is looked for while so many objects are made and kept."""
    seen: list[str] = []

    def note(phase: str, _: object) -> None:
        if phase == "start":
            seen.append(phase)

    gc.callbacks.append(note)
    kept = [[number] for number in range(count)]
    gc.callbacks.remove(note)
    assert len(kept) == count
    return len(seen)


def test_garbage_is_looked_for_seldom_in_a_block_and_not_never() -> None:
    assert collections_of(50_000) > 50
    with seldom_collected():
        assert collections_of(50_000) <= 1
        assert 0 < collections_of(450_000) < 5


def test_it_is_looked_for_as_before_after_the_last_of_overlapping_blocks(usual) -> None:
    begun, done = threading.Event(), threading.Event()

    def other() -> None:
        with seldom_collected():
            begun.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    with seldom_collected():
        thread.start()
        assert begun.wait(10)
    assert gc.get_threshold()[0] > SELDOM
    done.set()
    thread.join()
    assert gc.get_threshold() == usual


def test_it_is_looked_for_as_before_after_an_error(usual) -> None:
    with pytest.raises(ValueError, match="oops"), seldom_collected():
        raise ValueError("oops")
    assert gc.get_threshold() == usual


@pytest.mark.parametrize("chosen", [(0, 10, 10), (1_000_000, 5, 5)])
def test_a_program_that_looks_less_often_itself_keeps_to_that(chosen: tuple[int, int, int]) -> None:
    gc.set_threshold(*chosen)
    with seldom_collected():
        assert gc.get_threshold() == chosen
    assert gc.get_threshold() == chosen


def test_a_child_forked_meanwhile_looks_as_before(usual) -> None:
    with seldom_collected():
        child = os.fork()
        if not child:
            before = gc.get_threshold()
            with seldom_collected():
                seldom = gc.get_threshold()[0] > SELDOM
            os._exit(0 if before == gc.get_threshold() == usual and seldom else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gc.get_threshold() == usual
