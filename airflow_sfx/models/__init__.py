"""Models: artifacts, and a registry that is the warehouse's log.

The functions are the bound methods of the registry of the default warehouse, as those of
`airflow_sfx` are of the warehouse. Names are loaded on first use.

Example:
    >>> import os, tempfile
    >>> from datetime import UTC, datetime
    >>> import airflow_sfx as sfx
    >>> import pandas as pd
    >>> os.environ["SFX_WAREHOUSE"] = f"embedded://{tempfile.mkdtemp()}"
    >>> frame = pd.DataFrame({"distance": [1400.0, 200.0, 740.0], "delay": [28.0, 4.0, 15.0]})
    >>> flights = sfx.store_dataframe(frame, "air", "flights", ["20161031"])
    >>> delays = sfx.models.save(
    ...     sfx.models.Coefficients({"distance": 0.02}), "delays",
    ...     inputs={"train": flights}, target="delay", metrics={"mae": 4.5},
    ... )
    >>> delays = sfx.models.promote("delays", delays, reason="first")

The examples of all calls start from this state.
"""

from __future__ import annotations

from typing import Any

_CLASSES = {
    "Coefficients": "flavours.coefficients",
    "FunctionModel": "flavours.function",
    "Model": "model",
    "ModelPin": "pin",
    "ModelRegistry": "registry",
}
_CALLS = (
    "affected",
    "aliases",
    "batch",
    "card",
    "diff",
    "drift",
    "explain_change",
    "export",
    "fetch",
    "history",
    "list",
    "load",
    "missing_card_parts",
    "plan_rollback",
    "promote",
    "reproduce",
    "resolve",
    "rollback",
    "save",
    "store_versions",
    "sign",
    "verify",
    "versions",
)
__all__ = sorted(_CLASSES)  # noqa: PLE0605  the calls are attributes, as those of an object


def __getattr__(name: str) -> Any:
    """Return a class, or a bound method of the default registry."""
    from importlib import import_module

    if name in _CLASSES:
        return getattr(import_module(f"{__name__}.{_CLASSES[name]}"), name)
    if name in _CALLS:
        from airflow_sfx._default import models

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_CLASSES, *_CALLS])
