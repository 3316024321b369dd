"""What a function keeps between calls: mutable values of its module."""

from __future__ import annotations

import copy
import dis
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_sfx.jobs.function import codes_of
from airflow_sfx.portability.reads import Used, functions_of, used_by
from airflow_sfx.warehouse.read.aggregate import Aggregate

_CONTAINERS = (dict, list, set, bytearray)
_WRITES = ("STORE_GLOBAL", "STORE_DEREF", "DELETE_GLOBAL")


@dataclass(frozen=True, slots=True)
class _Kept:
    used: Used
    before: Any


class State:
    """The mutable values that a function and its helpers use, as they were at first.

    Args:
        function: The function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._kept: list[_Kept] = []
        for part in functions_of(function):
            written = _written(part)
            for used in used_by(part):
                if used.name in written or _is_mutable(used.value):
                    self._keep(used)

    def _keep(self, used: Used) -> None:
        try:
            self._kept.append(_Kept(used, copy.deepcopy(used.value)))
        except Exception:  # of any object: it cannot be put back
            return

    def reset(self) -> None:
        """Put all values back, so that the next call is like the first."""
        for one in self._kept:
            _put_back(one.used, copy.deepcopy(one.before))

    def changed(self) -> list[str]:
        """Return the names whose values have changed since."""
        return [one.used.name for one in self._kept if not _same(_now(one.used), one.before)]


def _is_mutable(value: Any) -> bool:
    if isinstance(value, _CONTAINERS):
        return True
    plain = isinstance(value, type | types.ModuleType | Aggregate) or callable(value)
    return not plain and hasattr(value, "__dict__")


def _written(function: types.FunctionType) -> set[str]:
    """Return the names outside of itself that a function assigns."""
    own = set(function.__code__.co_cellvars)
    return {
        str(step.argval)
        for code in codes_of(function.__code__)
        for step in dis.get_instructions(code)
        if step.opname in _WRITES
    } - own


def _now(used: Used) -> Any:
    if isinstance(used.holder, types.CellType):
        return used.holder.cell_contents
    return used.holder.get(used.name)


def _put_back(used: Used, value: Any) -> None:
    now = _now(used)
    own = now is used.value
    if own and isinstance(now, dict | set):
        now.clear()
        now.update(value)
    elif own and isinstance(now, list | bytearray):
        now[:] = value
    elif own and hasattr(now, "__dict__"):
        now.__dict__.clear()
        now.__dict__.update(value.__dict__)
    elif isinstance(used.holder, types.CellType):
        used.holder.cell_contents = value
    else:
        used.holder[used.name] = value


def _same(one: Any, other: Any) -> bool:
    if type(one) is type(other) and not isinstance(one, _CONTAINERS) and hasattr(one, "__dict__"):
        one, other = vars(one), vars(other)
    try:
        return bool(one == other)
    except Exception:  # of any object, such as an array
        return repr(one) == repr(other)
