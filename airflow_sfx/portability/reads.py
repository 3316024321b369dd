"""What a function and its helpers use of their module."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_sfx.jobs.function import codes_of

_TOO_DEEP = 200
"""The most functions that are followed."""


@dataclass(frozen=True, slots=True)
class Used:
    """A name that a function reads, outside of itself.

    Args:
        name: The name.
        value: What it is.
        holder: Where it is looked up: the globals of a module, or the cell of a closure.
    """

    name: str
    value: object
    holder: dict[str, Any] | types.CellType


def functions_of(function: Callable[..., Any]) -> list[types.FunctionType]:
    """Return a function, and those of its own package that it calls, directly or through others.

    Args:
        function: The function.

    Returns:
        The functions, the given one first.

    Example:
        >>> [one.__name__ for one in functions_of(functions_of)][:2]
        ['functions_of', '_plain_function']
    """
    found: list[types.FunctionType] = []
    waiting = [function]
    while waiting and len(found) < _TOO_DEEP:
        one = _plain_function(waiting.pop(0))
        if one is None or one in found:
            continue
        found.append(one)
        package = _package(one)
        waiting += [
            used.value
            for used in used_by(one)
            if callable(used.value) and _package(used.value) == package
        ]
    return found


def _package(value: object) -> str:
    return str(getattr(value, "__module__", None) or "").partition(".")[0]


def _plain_function(value: Any) -> types.FunctionType | None:
    while hasattr(value, "__wrapped__"):
        value = value.__wrapped__
    return value if isinstance(value, types.FunctionType) else None


def used_by(function: types.FunctionType) -> list[Used]:
    """Return the names that a function reads of its module and of functions around it.

    Args:
        function: The function.

    Returns:
        The names with their values, each once.
    """
    found: dict[str, Used] = {}
    for code in codes_of(function.__code__):
        for name in code.co_names:
            if name in function.__globals__:
                found[name] = Used(name, function.__globals__[name], function.__globals__)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            found[name] = Used(name, cell.cell_contents, cell)
        except ValueError:  # not assigned yet
            continue
    return list(found.values())
