"""Errors that reach the command name its options, not arguments of Python."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import ERRORS
from tests.cli.conftest import SOLD, speaks_python

PACKAGE = Path(sfx.__file__).parent
ROOMS = (
    "frames/evolution/evolve.py",
    "frames/evolution/project.py",
    "frames/evolution/unify.py",
    *(
        f"warehouse/{room}"
        for room in (
            "diff",
            "ends",
            "external",
            "history",
            "integrity",
            "log",
            "night",
            "pins",
            "quality/check_current.py",
            "retention",
            "table",
            "undo",
            "write/column_changes.py",
            "write/discard.py",
            "write/publish.py",
        )
    ),
)
"""Where the errors of what the command does are made."""


def errors() -> Iterator[tuple[str, dict[str, str]]]:
    """The place of each error that is made in these rooms, and its texts by argument."""
    for room in ROOMS:
        path = PACKAGE / room
        assert path.exists(), room
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
                    texts = {one.arg or "": written(one.value) for one in node.keywords}
                    texts |= {"rule": written(node.args[0])} if node.args else {}
                    yield f"{file.relative_to(PACKAGE)}:{node.lineno}", texts


def written(node: ast.expr) -> str:
    """The constant text of an expression; ``…`` for values."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    return str(node.value) if isinstance(node, ast.Constant) else ""


def test_every_remedy_in_python_has_one_for_the_command() -> None:
    found = list(errors())
    assert len(found) > 80
    for place, texts in found:
        rule, remedy = texts.get("rule", ""), texts.get("remedy", "")
        # a wrong value of an argument is named by it, and rejected by the command's own parser
        about = speaks_python(rule)
        if about and rule.startswith(about):
            continue
        if speaks_python(rule):
            assert texts.get("cli_rule"), place
        if speaks_python(remedy):
            assert "cli_remedy" in texts, place
        for name in ("cli_rule", "cli_remedy"):
            assert not speaks_python(texts.get(name, "")), place


def test_an_overtaken_and_a_discarded_batch_name_the_option(warehouse, command) -> None:
    old = warehouse.store_dataframe(SOLD, "sales", "sold_items", ["1"], publish=False)
    warehouse.store_dataframe(SOLD, "sales", "sold_items", ["1"])
    done = command("publish", "sales.sold_items", old.batch_id, "--yes")
    assert "pass --force to publish it all the same" in done.stderr
    assert f"sfx rollback --to {old.batch_id}" in done.stderr
    warehouse.discard(old)
    done = command("publish", "sales.sold_items", old.batch_id, "--yes")
    assert "was discarded" in done.stderr
    assert "pass --force" in done.stderr
    with pytest.raises(sfx.CommitConflict, match="pass force=True"):
        warehouse.publish(old)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["check", "sales.sold_items"], "sfx check sales.sold_items --set FILE.toml"),
        (["history", "sales.whole", "20161031"], "name no partition"),
        (["repin", "", "r1"], "type another value"),
        (["rename-column", "sales.whole", "price", "a,b", "--yes"], "choose another name"),
        (["hold", "sales.whole", "--name", "n", "--until", "2001-01-01"], "by --until"),
        (["head", "sales.sold_items", "--batch", "20161101002256"], "name the partitions"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_remedies_can_be_typed(warehouse, command, words: list[str], named: str) -> None:
    warehouse.store_dataframe(SOLD, "sales", "whole")
    done = command(*words)
    assert done.returncode == 1
    assert named in done.stderr
