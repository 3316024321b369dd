"""The tree of the package: sizes of folders and modules, stubs, and docstrings."""

from __future__ import annotations

import ast
import importlib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "airflow_sfx"
SOURCES = {".py", ".pyi", ".js", ".css", ".html"}
MOST_FILES, MOST_LINES = 14, 450
LONGER = PACKAGE / "warehouse/warehouse.py"
"""One class in one file: the only place where a public call is written and documented."""
MODULES = sorted(PACKAGE.rglob("*.py"))
STUBS = sorted(PACKAGE.rglob("*.pyi"))
SUB_ROOMS = sorted(PACKAGE.glob("*/*/__init__.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def names_in(stub: Path) -> list[str]:
    """Return the names that a stub exports."""
    imports = [
        node for node in ast.parse(stub.read_text()).body if isinstance(node, ast.ImportFrom)
    ]
    return [alias.asname or alias.name for node in imports for alias in node.names]


def first_line(docstring: str | None) -> str:
    return (docstring or "").partition("\n")[0]


def documented(module: Path) -> list[tuple[str, str]]:
    """Return the first line of each docstring of a module's classes and functions, by name."""
    nodes = ast.walk(ast.parse(module.read_text()))
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (f"{name_of(module)}:{node.name}", first_line(ast.get_docstring(node)))
        for node in nodes
        if isinstance(node, kinds)
    ]


@pytest.mark.parametrize("folder", ["airflow_sfx", "tests", "bench", "dags_examples"])
def test_a_folder_has_fewer_than_fifteen_source_files(folder: str) -> None:
    paths = (path for path in (ROOT / folder).rglob("*") if path.suffix in SOURCES)
    counts = Counter(name_of(path.parent) for path in paths)
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_a_module_has_at_most_450_lines() -> None:
    lines = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    del lines[name_of(LONGER)]
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("stub", STUBS, ids=name_of)
def test_the_names_of_a_stub_can_be_imported(stub: Path) -> None:
    package = importlib.import_module(name_of(stub.parent).replace("/", "."))
    names = names_in(stub)
    assert names
    assert [name for name in names if getattr(package, name, None) is None] == []
    assert sorted(package.__all__) == sorted(names)


def test_each_public_name_is_in_one_stub_once() -> None:
    counts = Counter(name for stub in STUBS for name in names_in(stub))
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("package", SUB_ROOMS, ids=name_of)
def test_the_docstring_of_a_sub_room_begins_with_one_line(package: Path) -> None:
    docstring = ast.get_docstring(ast.parse(package.read_text()))
    assert docstring
    first, _, rest = docstring.partition("\n")
    assert first.endswith(".")
    assert not rest or rest.startswith("\n")


def test_the_first_line_of_a_docstring_is_a_sentence() -> None:
    lines = [
        (name_of(module), first_line(ast.get_docstring(ast.parse(module.read_text()))))
        for module in MODULES
    ]
    assert [(name, line) for name, line in lines if len(line) >= 80 or not line.endswith(".")] == []


def test_the_first_line_of_a_function_fits() -> None:
    lines = [found for module in MODULES for found in documented(module)]
    assert [(name, line) for name, line in lines if len(line) >= 100] == []


def test_no_nested_function_calls_itself() -> None:
    """Such a function is freed by a garbage collection alone, and the data that it holds too."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        f"{name_of(module)}:{outer.name}.{inner.name}"
        for module in MODULES
        for outer in ast.walk(ast.parse(module.read_text()))
        if isinstance(outer, functions)
        for statement in outer.body
        for inner in ast.walk(statement)
        if isinstance(inner, functions)
        for node in ast.walk(inner)
        if isinstance(node, ast.Name) and node.id == inner.name
    ]
    assert found == []
