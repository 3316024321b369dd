"""List words that the glossary rejects, with file and line, and fail if there are any."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs/glossary.md"
CHECKED = (
    *(f"airflow_sfx/**/*.{kind}" for kind in ("py", "js", "html")),
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/*.md",
    "dags_examples/**/*.md",
    "dags_examples/**/*.py",
)
FORMS = {
    "give": "give|gives|given|giving|gave",
    "gives": "give|gives|given|giving|gave",
    "take": "take|takes|taken|taking|took",
    "takes": "take|takes|taken|taking|took",
    "tell": "tell|tells|telling",
    "mend": "mend|mends|mended|mending",
    "stray": "stray|strays",
    "pin": "pin|pins|pinned|pinning",
}


def rejected_words() -> list[str]:
    """Return the words in backticks in the last column of the glossary's tables."""
    rows = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("| ")]
    return sorted({word for row in rows for word in re.findall(r"`(.+?)`", row.split(" | ")[-1])})


def pattern(words: list[str]) -> re.Pattern[str]:
    """Return a pattern for the words in any form and case, also across the end of a line."""
    choices = [
        r"[\s#*/]+".join(f"(?:{FORMS.get(part, re.escape(part))})s?" for part in word.split())
        for word in words
    ]
    return re.compile(rf"(?<![.\w])(?:{'|'.join(choices)})\b", re.IGNORECASE)


def findings(text: str, wanted: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of each rejected word."""
    for match in wanted.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match[0].split())


def main() -> int:
    """Print each rejected word of the checked files; return 1 if there is one, else 0."""
    wanted = pattern(rejected_words())
    found = 0
    for path in sorted({path for glob in CHECKED for path in ROOT.glob(glob)} - {GLOSSARY}):
        for line, word in findings(path.read_text(), wanted):
            found += 1
            sys.stdout.write(f"{path.relative_to(ROOT)}:{line}: '{word}': see docs/glossary.md\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
