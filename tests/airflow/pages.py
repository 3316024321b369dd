"""The page in a real browser: what its tests do again and again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from dags_examples.local_airflow import LocalAirflow

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
PICTURES = os.environ.get("SFX_PICTURES")
"""A folder for pictures of the pages, for the docs."""


@contextmanager
def started_browser() -> Iterator[Browser]:
    assert CHROMIUM, "the tests of the page need Chromium: `make test` installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def window_of(
    browser: Browser, airflow: LocalAirflow, user: str = "admin", **options: object
) -> Page:
    """A browser window of a user's own, which notes what goes wrong in it."""
    context = browser.new_context(
        base_url=airflow.url, **{"viewport": {"width": 1280, "height": 860}, **options}
    )
    context.add_cookies([{"name": "_token", "value": airflow.login(user), "url": airflow.url}])
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("dialog", lambda dialog: page.faults.append(dialog.message))
    page.on(
        "console",
        lambda told: (
            page.faults.append(told.text) if "Content Security Policy" in told.text else None
        ),
    )
    return page


def go(page: Page, where: str = "") -> Page:
    page.goto(f"/sfx/{where}")
    expect(page.locator("main")).to_have_attribute("aria-busy", "false", timeout=30_000)
    return page


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")
