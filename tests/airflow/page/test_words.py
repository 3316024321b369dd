"""The page and the command line write values with the same words and units."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page

import airflow_sfx
from airflow_sfx.cli import output
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.warehouse import words

STATIC = Path(airflow_sfx.__file__).parent / "plugin" / "web" / "static"
NOW = datetime(2016, 11, 3, 12, tzinfo=UTC)
RANDOM = random.Random(1)
COUNTS = [
    *(0, 1, 2, 999, 1000, 1023, 1024, 1025, 1048575, 45_000_000, 10**15),
    *(RANDOM.randrange(2**48) for _ in range(50)),
]
FRACTIONS = [
    *(-0.0, 0.5, 119.5, 12.640199, 0.0001, 0.00009, -3e-9, 1234567.5, 1e15, -27.25, 0.1 + 0.2),
    *(RANDOM.uniform(-1, 1) * 10 ** RANDOM.randint(-9, 9) for _ in range(50)),
]
SPANS = [timedelta(seconds=one) for one in (0, 1, 59, 60, 119, 3599, 3600, 86399, 86400, 9e6)]


@pytest.fixture(scope="module")
def page(browser) -> Page:
    """A page with the words of the page's scripts, and nothing else."""
    page = browser.new_page()
    scripts = {one.name: one.read_text() for one in STATIC.glob("*.js")}
    page.route(
        "http://words.test/*",
        lambda route: route.fulfill(
            body=scripts.get(route.request.url.rpartition("/")[2], "<!doctype html>"),
            content_type="text/javascript" if route.request.url.endswith("js") else "text/html",
        ),
    )
    page.goto("http://words.test/")
    page.evaluate("async () => { window.words = await import('/words.js'); }")
    return page


def on_page(page: Page, name: str, values: list, *more: object) -> list[str]:
    """What the page's function of this name writes for each of the values."""
    return page.evaluate(
        "([name, values, more]) => values.map((one) => window.words[name](one, ...more))",
        [name, values, list(more)],
    )


def test_what_is_not_there_has_the_same_sign(page) -> None:
    found = page.evaluate("() => [window.words.WHOLE, window.words.NONE]")
    assert found == [words.WHOLE, words.NONE]
    assert output.clean(None) == words.NONE


def test_reasons_name_the_same_batches(page) -> None:
    ids = ["20161101002256", "20161102234252"]
    cases = [("monthly", [], []), ("", ids, []), ("bad", ids, ids[:1])]
    found = page.evaluate("(cases) => cases.map((one) => window.words.why(...one))", cases)
    assert found == [words.why(*one) for one in cases]


def test_bytes_have_the_same_units(page) -> None:
    assert on_page(page, "size", COUNTS) == [words.size(one) for one in COUNTS]


def test_numbers_have_the_same_digits(page) -> None:
    values = [*COUNTS, *FRACTIONS]
    assert on_page(page, "number", values) == [words.number(one) for one in values]


@pytest.mark.parametrize("noun", ["row", "batch", "partition"])
def test_counts_have_the_same_nouns(page, noun: str) -> None:
    assert on_page(page, "counted", [0, 1, 2, 20_000], noun) == [
        words.counted(one, noun) for one in (0, 1, 2, 20_000)
    ]


def test_times_and_spans_have_the_same_words(page) -> None:
    times = [NOW - span for span in SPANS]
    texts = [one.isoformat() for one in times]
    assert on_page(page, "time", texts) == [words.moment(one) for one in times]
    assert on_page(page, "age", texts, NOW.timestamp() * 1000) == [
        words.age(one, NOW) for one in times
    ]
    seconds = [span.total_seconds() for span in SPANS]
    assert on_page(page, "duration", seconds) == [words.duration(span) for span in SPANS]


def test_the_page_lists_all_kinds_of_changes_with_the_same_words(page) -> None:
    assert page.evaluate("() => window.words.OPERATIONS") == [one.value for one in Operation]
    assert on_page(page, "operation", [one.value for one in Operation]) == [
        words.operation(one) for one in Operation
    ]
