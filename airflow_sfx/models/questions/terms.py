"""The numbers of a model that have a name: coefficients, or gains of features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from airflow_sfx.models.model import Model

INTERCEPT = "(intercept)"


def terms_of(model: Model) -> dict[str, float]:
    """Return the coefficients of a model by term, or what each feature gains.

    Args:
        model: The model.

    Returns:
        The numbers by name; empty for a model that has none. A model of several classes has a
        coefficient for each term and class, such as ``distance [late]``.

    Raises:
        InconsistentBatch: A component is damaged.
    """
    parts = model.components
    return {
        name: float(value)
        for part in ("coefficients", "intercept", "gain")
        if part in parts
        for name, value in _named(part, parts[part], model)
    }


def _named(part: str, value: object, model: Model) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping) and isinstance(value.get("terms"), Mapping):
        yield from value["terms"].items()
        yield INTERCEPT, value["intercept"]
    elif isinstance(value, Mapping) and isinstance(value.get("terms"), list):
        weights = np.asarray(model.components["weights"], dtype=np.float64)
        yield from zip(value["terms"], weights.tolist(), strict=True)
        yield INTERCEPT, value["intercept"]
    elif isinstance(value, Mapping):
        yield from ((str(name), one) for name, one in value.items())
    else:
        matrix = np.atleast_1d(np.asarray(value, dtype=np.float64))
        if matrix.ndim == 1:
            labels = _classes(model, len(matrix))
            yield from ((f"{INTERCEPT}{label}", x) for label, x in zip(labels, matrix, strict=True))
            return
        names = model.components["terms"]
        assert isinstance(names, list) and part == "coefficients"
        for label, row in zip(_classes(model, len(matrix)), matrix, strict=True):
            yield from ((f"{name}{label}", x) for name, x in zip(names, row, strict=True))


def _classes(model: Model, count: int) -> list[str]:
    """Return a mark for each row of a matrix: the class, a number, or nothing for one row."""
    if count == 1:
        return [""]
    known = model.classes if len(model.classes) == count else range(count)
    return [f" [{one}]" for one in known]
