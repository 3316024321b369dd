"""Imports of the page's scripts: they exist, are preloaded, and are not circular."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

import airflow_sfx

STATIC = Path(airflow_sfx.__file__).parent / "plugin" / "web" / "static"
MODULES = set(STATIC.rglob("*.js"))
IMPORT = re.compile(r"""^(?:import|export)\b[^;]*?\bfrom "(\.[^"]+)";""", re.MULTILINE)


def imported_by(module: Path) -> set[Path]:
    return {(module.parent / target).resolve() for target in IMPORT.findall(module.read_text())}


def test_imports_lead_to_modules_and_have_no_cycle() -> None:
    graph = {module: imported_by(module) for module in MODULES}
    assert set().union(*graph.values()) <= MODULES
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError
    assert order[-1] == STATIC / "page.js"
    assert {one.name for one in MODULES if "import {" in one.read_text()} == {
        one.name for one, targets in graph.items() if targets
    }, "an import that the pattern does not find"


def test_the_document_preloads_every_module() -> None:
    named = re.findall(r'(?:href|src)="static/([\w/]+\.js)"', (STATIC / "index.html").read_text())
    assert sorted(named) == sorted(str(one.relative_to(STATIC)) for one in MODULES)
