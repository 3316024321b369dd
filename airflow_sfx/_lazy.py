"""Names that a package has and loads when they are first asked for, so that to import it is cheap."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def from_homes(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package whose names lie in modules of their own (PEP 562).

    Args:
        package: The package's ``__name__``.
        homes: The names by the module that has them; a module without any is a name itself.

    Returns:
        What gives a name's value, and has the package keep it: the next look does not ask again.

    Example:
        >>> from_homes("airflow_sfx", {"airflow_sfx.core.pin": ["BatchPin"]})("BatchPin").__name__
        'BatchPin'
    """
    home_of = {
        name: home for home, names in homes.items() for name in names or [home.rpartition(".")[2]]
    }

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(home_of[name])
        value = getattr(module, name) if homes[home_of[name]] else module
        setattr(sys.modules[package], name, value)
        return value

    return load
