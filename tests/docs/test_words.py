"""The words that the glossary rejects are found in any form, and the check names file and line."""

from __future__ import annotations

import pytest

from tools.words import findings, pattern, rejected_words


def test_the_glossary_names_the_rejected_words() -> None:
    assert {"meddle", "stray", "take in", "give up", "something else", "tell"} <= set(
        rejected_words()
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A reader\nmeets Strays here", [(2, "Strays")]),
        ("# what a task took\n# in for it", [(1, "took # in")]),
        ("Giving up, nobody told", [(1, "Giving up"), (1, "nobody"), (1, "told")]),
        ("pinned durably", [(1, "pinned durably")]),
        ("amend, recommend, untold, intake, storyteller", []),
        ("written durably, taken into account", []),
        ("size = file.tell()", []),
    ],
)
def test_rejected_words_are_found_in_any_form(text: str, found: list[tuple[int, str]]) -> None:
    assert list(findings(text, pattern(rejected_words()))) == found
