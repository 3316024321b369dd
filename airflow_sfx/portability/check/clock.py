"""Whether a function reads the clock or random numbers, from its code."""

from __future__ import annotations

import datetime
import dis
import random
import sys
import time
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from airflow_sfx.jobs.function import codes_of
from airflow_sfx.portability.reads import functions_of

_CLOCKS = {"now", "utcnow", "today"}
_TIMES = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
_TIMES |= {"localtime", "gmtime", "process_time", "ctime"}
_RANDOM = (random, uuid)
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_STORES = ("STORE_FAST", "STORE_NAME", "STORE_DEREF")


def names_in(function: Callable[..., Any]) -> set[str]:
    """Return the names and the short texts in the code of a function and its helpers."""
    found: set[str] = set()
    for part in functions_of(function):
        for code in codes_of(part.__code__):
            found.update(code.co_names)
            found.update(one for one in code.co_consts if isinstance(one, str))
    return found


def clocks_of(function: Callable[..., Any]) -> list[str]:
    """Return what a function and its helpers read the clock with, such as ``datetime.now``."""
    return [name for holder, name in _attributes(function) if _is_clock(holder, name)]


def reads_random(function: Callable[..., Any]) -> bool:
    """Return whether a function or a helper of it uses random numbers."""
    return any(
        holder in _RANDOM or getattr(holder, "__name__", "") in ("numpy.random", "secrets")
        for holder, _ in _attributes(function)
        if isinstance(holder, types.ModuleType)
    )


def _is_clock(holder: Any, name: str) -> bool:
    if holder is time:
        return name in _TIMES
    return isinstance(holder, type) and issubclass(holder, datetime.date) and name in _CLOCKS


def _attributes(function: Callable[..., Any]) -> Iterator[tuple[Any, str]]:
    """Yield the attributes of modules and classes in a function's code, with their holder."""
    for part in functions_of(function):
        for code in codes_of(part.__code__):
            yield from _of_code(code, part.__globals__)


def _of_code(code: types.CodeType, known: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    local: dict[str, Any] = {}
    found: Any = None
    for step in dis.get_instructions(code):
        name = str(step.argval)
        if step.opname in _LOADS:
            found = local.get(name, known.get(name) if step.opname != "LOAD_FAST" else None)
            if found is not None and _home(found) is not None:
                yield _home(found), getattr(found, "__name__", name)
        elif step.opname == "IMPORT_NAME":
            found = sys.modules.get(name)
        elif step.opname == "IMPORT_FROM":
            local["from"] = found
            found = getattr(found, name, None)
        elif step.opname in _STORES:
            local[name] = found
            found = local.pop("from", None)
        elif step.opname in _ATTRIBUTES:
            if isinstance(found, types.ModuleType | type):
                yield found, name
                found = getattr(found, name, None)
            else:
                found = None


def _home(value: Any) -> types.ModuleType | None:
    """Return the module of a function that was imported by its name, such as ``time.time``."""
    if not isinstance(value, types.BuiltinFunctionType | types.MethodType | types.FunctionType):
        return None
    module = sys.modules.get(getattr(value, "__module__", "") or "")
    return time if module is time else module if module in _RANDOM else None
