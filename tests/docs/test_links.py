"""Every relative link of every page leads to a file, and every anchor to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, anchors

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(
            page
            for folder in ("docs", "docker", "dags_examples")
            for page in (ROOT / folder).rglob("*.md")
        ),
    ]
)
_PICTURE = re.compile(r"\]\((?:\.\./\.\./docs/)?pictures/([\w-]+)\.png\)")
_DRAWN = re.compile(r"picture\(page, \"([\w-]+)\"\)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert found.is_relative_to(ROOT), f"{target} is outside of the repository"
        if anchor:
            assert anchor in anchors(found), f"{target}: its headings are {sorted(anchors(found))}"


def test_every_picture_is_small_shown_by_a_page_and_drawn_by_a_test() -> None:
    pictures = list((ROOT / "docs/pictures").glob("*.png"))
    texts = [page.read_text() for page in PAGES]
    tests = [test.read_text() for test in (ROOT / "tests/airflow").rglob("test_*.py")]
    names = {one.stem for one in pictures}
    assert {name for text in texts for name in _PICTURE.findall(text)} == names
    assert names - {name for test in tests for name in _DRAWN.findall(test)} == set()
    assert [one.name for one in pictures if one.stat().st_size > 150_000] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs/README.md"
    linked = {
        (index.parent / target.partition("#")[0]).resolve()
        for target in _LINK.findall(index.read_text())
    }
    assert set((ROOT / "docs").glob("*.md")) - linked == {index}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(
        r"`((?:airflow_sfx|bench|dags_examples|docs|tests)/[\w./-]+)`", page.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
