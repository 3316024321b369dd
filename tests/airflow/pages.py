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
BOTTOM = """
() => {
  const shown = [...document.querySelectorAll("#main, dialog[open]")];
  const ends = shown.map((one) => one.getBoundingClientRect().bottom + 16);
  return ends.length && location.pathname.includes("/sfx/") ? Math.ceil(Math.max(...ends)) : 1e9;
}
"""
expect.set_options(timeout=15_000)  # a busy machine takes longer than the usual five seconds
PICTURES = os.environ.get("SFX_PICTURES")
"""A folder for pictures of the pages; `tools/pictures.py` draws those of the docs."""


AMISS = """
() => {
  const channels = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = (rgb) => {
    const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((one) => linear(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      const fill = () => getComputedStyle(one.querySelector("rect")).fill;
      const found = channels(one.tagName === "g" ? fill() : style.backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const amiss = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim();
    const told = [...element.childNodes].some(hasText);
    if (!element.checkVisibility() || element.closest("script, title")) continue;
    if (told) {
      const style = getComputedStyle(element);
      const colour = element.tagName === "text" ? style.fill : style.color;
      const text = luminance(channels(colour).slice(0, 3));
      const ground = luminance(behind(element));
      const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
      const shown = element.outerHTML.slice(0, 120);
      if (contrast < 4.5) amiss.push(`${contrast.toFixed(2)} contrast: ${shown}`);
    }
    const own = element.getAttribute("aria-label") || element.textContent.trim();
    const named = own || element.closest("label");
    const needsName = element.matches("a, button, input, select, [role=img], [tabindex='0']");
    if (needsName && !named) amiss.push(`no name: ${element.outerHTML.slice(0, 120)}`);
    const alike = element.id ? document.querySelectorAll(`#${element.id}`).length : 1;
    if (alike > 1) amiss.push(`twice: ${element.id}`);
    const empty = !told && !element.textContent.trim();
    if (element.tagName === "TH" && empty) amiss.push("a heading without a text");
  }
  const heads = document.querySelectorAll("h1").length;
  if (heads !== 1) amiss.push(`${heads} headings of the first level`);
  if (document.documentElement.scrollWidth > innerWidth) amiss.push("wider than the window");
  return amiss;
}
"""
"""What is wrong with a view: contrast, names, headings, width."""


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
    """Draw what is shown; of the page outside of Airflow's frame, down to where it ends."""
    if PICTURES:
        window = page.viewport_size
        height = min(window["height"], page.evaluate(BOTTOM))
        clip = {"x": 0, "y": 0, "width": window["width"], "height": height}
        page.screenshot(path=Path(PICTURES) / f"{name}.png", clip=clip)
