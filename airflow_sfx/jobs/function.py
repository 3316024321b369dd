"""Functions that a job calls: their source is sent, with what it uses.

``python -m airflow_sfx.jobs.call`` calls it inside. A function that needs more of its module than
imports, plain constants and other such functions is refused when the DAG is parsed.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from airflow_sfx.core.errors import InvalidName

_PLAIN = (str, int, float, bool, bytes, type(None))


def source_of(function: Callable[..., Any]) -> str:
    """Return a module that defines a function, and what it uses of its own module.

    Args:
        function: The function, defined with ``def`` in a file. Its decorators are left out.

    Returns:
        The source; the function is the last one in it.

    Raises:
        InvalidName: Its source is not there, it is an object, such as a portable function, or it
            uses a value that cannot be sent.
    """
    if not inspect.isroutine(function):
        raise InvalidName(
            f"{function!r:.80} is an object that is called, and a job gets the source of a function"
            " alone: declare it inside of a function, and call it there"
        )
    whole = inspect.unwrap(function)
    if not isinstance(whole, types.FunctionType):
        raise InvalidName(f"{function!r:.80} is not a function that was defined with def")
    parts: dict[str, str] = {}
    _collect(whole, parts, whole.__name__)
    body = "\n".join(parts.values())
    return f"from __future__ import annotations\n\n{body}"


def _collect(function: types.FunctionType, parts: dict[str, str], asked: str) -> None:
    """Add a function's source behind that of what it uses."""
    definition, text = _definition(function)
    if function.__code__.co_freevars:
        names = ", ".join(function.__code__.co_freevars)
        raise InvalidName(
            f"the function {asked} uses {names} of the function around it, which its job does not"
            " have: pass it as an argument"
        )
    parts.setdefault(function.__name__, "")
    imports = _imports(function)
    for name in _used(function, definition):
        if name not in parts:
            _add(name, function, imports, parts, asked)
    del parts[function.__name__]  # behind what it uses
    parts[function.__name__] = text


def _add(
    name: str,
    function: types.FunctionType,
    imports: dict[str, str],
    parts: dict[str, str],
    asked: str,
) -> None:
    there = function.__globals__
    if name in imports:
        parts[name] = imports[name]
    elif isinstance(there.get(name), types.FunctionType):
        _collect(there[name], parts, asked)
    elif name in there and _is_plain(there[name]):
        parts[name] = f"{name} = {there[name]!r}"
    elif name in there:
        raise InvalidName(
            f"the function {asked} uses {name} of its module, a {type(there[name]).__name__}, which"
            " its job does not have: create it inside of the function, or pass it as an argument"
        )


def _definition(function: types.FunctionType) -> tuple[ast.FunctionDef, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError) as error:
        raise InvalidName(
            f"the source of the function {function.__name__} cannot be read ({error}): define it"
            " with def in a file"
        ) from error
    found = tree.body[0]
    if not isinstance(found, ast.FunctionDef):
        raise InvalidName(
            f"{function.__name__} is not defined with def: a job calls plain functions"
        )
    found.decorator_list = []
    return found, ast.unparse(found)


def _used(function: types.FunctionType, definition: ast.FunctionDef) -> list[str]:
    """Return the global names that a function reads, in its body and its defaults."""
    defaults = [*definition.args.defaults, *filter(None, definition.args.kw_defaults)]
    named = {node.id for one in defaults for node in ast.walk(one) if isinstance(node, ast.Name)}
    read = {
        str(step.argval)
        for code in codes_of(function.__code__)
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    return sorted(name for name in named | read if not hasattr(builtins, name))


def codes_of(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a code object, and those of the functions inside of it."""
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from codes_of(one)


def _imports(function: types.FunctionType) -> dict[str, str]:
    """Return the import statement of each name that the function's module imports."""
    path = function.__globals__.get("__file__") or inspect.getsourcefile(function)
    try:
        tree = ast.parse(Path(str(path)).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found[name] = ast.unparse(ast.Import([alias]))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                kept = ast.ImportFrom(node.module, [alias], 0)
                found[alias.asname or alias.name] = ast.unparse(kept)
    return found


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(one) for pair in value.items() for one in pair)
    return isinstance(value, _PLAIN)
