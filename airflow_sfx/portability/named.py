"""A portable function of a module, by its name, for programs that get JSON."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.portability.function import Portable


def function_named(text: str) -> Portable:
    """Import a portable function, of a module that Python finds from the current folder.

    Args:
        text: ``MODULE:FUNCTION``.

    Raises:
        InvalidName: There is no such module or function, it is not portable, or JSON has no values
            for one of its columns.
        ModelRefused: The module fails when it is imported.
    """
    module, _, name = text.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidName(
            f"{text!r:.80} cannot be imported ({error}): pass MODULE:FUNCTION, from the folder of"
            " the module"
        ) from error
    except Exception as error:
        raise ModelRefused(
            f"the module {module} fails when it is imported ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(found, Portable):
        raise InvalidName(
            f"{text} is not a portable function: declare it with @sfx.portable, so that its rows"
            " have columns"
        )
    return found


def require_json(function: Portable, *, outputs: bool) -> None:
    """Raise `InvalidName` if JSON has no values for a column of a function.

    Args:
        function: The function.
        outputs: Whether to check the columns of the result as well.
    """
    columns = (*function.inputs, *(function.outputs if outputs else ()))
    binary = [one.name for one in columns if one.feature.kind == "binary"]
    if binary:
        raise InvalidName(
            f"{function.__module__}:{function.name} has a column {binary[0]!r} of binary, which"
            " JSON has not: declare it as string, such as base64"
        )
