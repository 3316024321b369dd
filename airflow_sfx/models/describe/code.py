"""The code that trained a model, and the state of its repository."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import airflow_sfx
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.serde import compact

GIT, DIFF = "code/git.json", "code/uncommitted.diff"
TRAIN = "code/train.json"
"""Names the function that trained the model, and its modules."""
_MOST_MODULES = 200
_LARGEST = 1 << 20
_SECONDS = 5
_PLAIN = re.compile(r"[^A-Za-z0-9_+.-]")
_OURS = Path(airflow_sfx.__file__).parent


def code_of(modules: Iterable[ModuleType]) -> dict[str, bytes]:
    """Return the entries of the project's own modules that some modules import.

    Modules of installed packages, of Python and of this package are left out: the environment
    names them. Each is where Python finds it by its name if ``code/`` is on its path.

    Args:
        modules: The modules that trained the model.

    Returns:
        The sources by entry, with the repository's commit and uncommitted changes of these files.
    """
    paths, entries = _captured(modules)
    for name, entry in _entries(paths).items():
        entries[entry] = paths[name].read_bytes()
    if paths:
        entries |= _git(sorted({*paths.values()}))
    return entries


def trainer_of(
    function: Callable[..., object], modules: Iterable[ModuleType], params: Mapping[str, object]
) -> bytes:
    """Return ``code/train.json``, which names the function that trained a model.

    Args:
        function: The function.
        modules: The modules that trained the model, that of the function among them.
        params: The parameters that it got.
    """
    paths, _ = _captured(modules)
    found = {
        "module": function.__module__,
        "function": function.__qualname__,
        "modules": _entries(paths),
        "params": dict(params),
    }
    return compact(found).encode()


def module_of(function: object) -> ModuleType:
    """Return the module of a function that can train a model again.

    Raises:
        InvalidName: It is not a function at the top of a module of the project.
    """
    name = getattr(function, "__qualname__", "<")
    module = sys.modules.get(getattr(function, "__module__", ""))
    top = name.isidentifier() and module is not None and module.__name__ != "__main__"
    if not callable(function) or not top or module is None or _own(module) is None:
        raise InvalidName(
            f"trained_by={function!r:.80} cannot be called again from the saved code: define it"
            " with def at the top of a module of the project that training imports"
        )
    return module


def _captured(modules: Iterable[ModuleType]) -> tuple[dict[str, Path], dict[str, bytes]]:
    """Return the files of the project's modules by module, and the cells of notebooks."""
    paths: dict[str, Path] = {}
    due, seen = list(modules), set[str]()
    entries: dict[str, bytes] = {}
    while due and len(paths) < _MOST_MODULES:
        module = due.pop()
        if module.__name__ in seen:
            continue
        seen.add(module.__name__)
        path = _own(module)
        if path is None:
            entries |= _notebook(module)
            continue
        paths[module.__name__] = path
        due += _imported(module, path)
    return paths, entries


def imports_of(entries: dict[str, bytes]) -> set[str]:
    """Return the names of the top-level packages that sources import."""
    found: set[str] = set()
    for name, content in entries.items():
        if name.endswith(".py"):
            found |= {one.split(".")[0] for one in _names(content)}
    return found - sys.stdlib_module_names


def caller() -> list[ModuleType]:
    """Return the module that called this package; none if it cannot be found."""
    frame = inspect.currentframe()
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if name.split(".")[0] not in ("airflow_sfx", "functools", "contextlib"):
            return [sys.modules[name]] if name in sys.modules else []
        frame = frame.f_back
    return []


def defining(function: Callable[..., object]) -> list[ModuleType]:
    """Return the module that defines a function; none if it cannot be found.

    Raises:
        InvalidName: It cannot be called.
    """
    if not callable(function):
        raise InvalidName(f"code={function!r:.80} is not a function: pass one, or leave it out")
    name = getattr(inspect.unwrap(function), "__module__", None) or ""
    return [sys.modules[name]] if name in sys.modules else []


def _own(module: ModuleType) -> Path | None:
    """Return the file of a module that is the project's own, or None."""
    file = getattr(module, "__file__", None)
    if not file or not file.endswith(".py"):
        return None
    path = Path(file).resolve()
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST or path.is_relative_to(_OURS):
            return None
    except OSError:
        return None
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return None if installed or path.is_relative_to(_python()) else path


def _python() -> Path:
    return Path(sysconfig.get_paths()["stdlib"]).resolve()


def _imported(module: ModuleType, path: Path) -> Iterator[ModuleType]:
    """Yield the packages that a module is in, and the loaded modules that its source imports."""
    package = module.__package__ or ""
    steps = module.__name__.split(".")
    parents = [".".join(steps[:count]) for count in range(1, len(steps))]
    for name in [*parents, *_names(path.read_bytes(), package)]:
        if name in sys.modules:
            yield sys.modules[name]


def _names(content: bytes, package: str = "") -> Iterator[str]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            base = f"{above}.{node.module or ''}".strip(".") if node.level else node.module or ""
            if base and (package or not node.level):
                yield base
                yield from (f"{base}.{one.name}" for one in node.names)


def _entries(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the entry of each module, by its name."""
    found: dict[str, str] = {}
    files: dict[str, Path] = {}
    for name, path in sorted(paths.items()):
        steps = [_PLAIN.sub("_", step).strip(".") or "_" for step in _steps(name, path)]
        number = 1
        entry = "/".join(["code", *steps])
        while files.setdefault(entry.lower(), path) != path:
            number += 1
            entry = "/".join(["code", *steps[:-1], f"{Path(steps[-1]).stem}_{number}.py"])
        found[name] = entry
    return found


def _steps(name: str, path: Path) -> list[str]:
    """Return where Python looks for a module; a script is imported by no name."""
    steps = name.split(".")
    if path.name == "__init__.py":
        return [*steps, path.name]
    return [*steps[:-1], path.name] if path.stem == steps[-1] else [path.name]


def _notebook(module: ModuleType) -> dict[str, bytes]:
    """Return the cells of a notebook that trained the model."""
    cells = getattr(module, "In", None)
    if module.__name__ != "__main__" or not isinstance(cells, list):
        return {}
    return {"code/notebook.py": "\n\n".join(str(cell) for cell in cells if cell).encode()}


def _git(paths: list[Path]) -> dict[str, bytes]:
    """Return the commit of the repository of some files, and their uncommitted changes."""
    folder = str(paths[0].parent)
    commit = _run(folder, "rev-parse", "HEAD")
    if commit is None:
        return {}
    names = [str(path) for path in paths]
    diff = _run(folder, "diff", "--no-color", "--no-ext-diff", "HEAD", "--", *names) or ""
    remote = _run(folder, "config", "--get", "remote.origin.url") or ""
    state = {
        "commit": commit.strip(),
        "repository": re.sub(r"//[^/@]*@", "//", remote.strip()),
        "uncommitted": bool(diff),
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
    }
    entries = {GIT: compact(state).encode()}
    return {**entries, DIFF: diff.encode()} if diff else entries


def _run(folder: str, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  fixed arguments
            ["git", "-C", folder, *arguments],  # noqa: S607
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout[:_LARGEST].decode(errors="replace") if done.returncode == 0 else None
