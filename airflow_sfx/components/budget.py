"""All components of a model in the fewest digits that its predictions allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from airflow_sfx.components.columns._typing import Array
from airflow_sfx.components.opening import opened
from airflow_sfx.components.packing import pack, unpack
from airflow_sfx.components.precision import Precision, approximate, bound_of, floats_of
from airflow_sfx.core.errors import InvalidName, SchemaMismatch

_DECADES = 12
_PARTS = (1.0, 0.5, 0.2)
_NARROWER = (1.0, 0.5, 0.1)
"""The parts of the bound to search with on a sample, until all rows keep the bound."""

Predict = Callable[[Mapping[str, Any], Any], Any]
"""A function of the components by name, and of the frame, that returns numbers."""


@dataclass(frozen=True)
class Choice:
    """How one component was packed.

    Args:
        precision: ``exact``, ``float32``, or ``abs`` and the bound of each value.
        error: The greatest difference to a value of the component.
        bytes: The bytes of the packed component.
        exact_bytes: The bytes that it takes exactly.

    Example:
        >>> Choice("abs 0.001", error=0.0004, bytes=70, exact_bytes=320).precision
        'abs 0.001'
    """

    precision: str
    error: float
    bytes: int
    exact_bytes: int


@dataclass(frozen=True)
class PackedComponents:
    """The components of a model, packed together.

    Args:
        components: The packed components by name.
        choices: How each was packed.
        bound: The greatest change of a prediction that was allowed, or None.
        reached: The greatest change of a prediction on the validation frame, or None if none were
            made.

    Example:
        >>> sorted(pack_all({"terms": ["distance"], "weights": [0.5]}).components)
        ['terms', 'weights']
    """

    components: Mapping[str, bytes]
    choices: Mapping[str, Choice]
    bound: float | None
    reached: float | None


def pack_all(
    components: Mapping[str, object],
    *,
    precision: Precision = "exact",
    predict: Predict | None = None,
    validation: Any = None,
    sample: Any = None,
    pco: bool = False,
) -> PackedComponents:
    """Pack the components of a model, also within a bound of its predictions.

    With ``precision={"predictions": 1e-3}`` each component, the largest first, is packed in the
    fewest digits with which no prediction on the validation frame changes by more than its part of
    the bound. That takes up to 40 predictions of the frame for each component.

    Args:
        components: The components by name.
        precision: ``exact``, ``float32``, ``{"abs": bound}``, or ``{"predictions": bound}``: the
            greatest change of any number that `predict` returns.
        predict: A function that takes the components by name and the frame, and returns numbers: a
            prediction, a score or a probability for each row.
        validation: The frame, whose rows should be those that the model will see.
        sample: A part of the frame to search on, where that is large; the bound is kept on all of
            it, by a narrower search if necessary.
        pco: As for `pack`.

    Returns:
        The packed components, how each was packed, the bound and the change that was reached.

    Raises:
        InvalidName: The precision is not one of these, or `predict` is missing for the last.
        SchemaMismatch: A component cannot be packed, or `predict` does not return numbers.

    Example:
        >>> import numpy as np
        >>> source = np.random.default_rng(0)
        >>> frame, weights = source.normal(size=(100, 40)), {"weights": source.normal(size=40)}
        >>> def predict(components, frame):
        ...     return frame @ components["weights"]
        >>> packed = pack_all(
        ...     weights, precision={"predictions": 1e-3}, predict=predict, validation=frame
        ... )
        >>> choice = packed.choices["weights"]
        >>> packed.reached <= packed.bound, choice.bytes < choice.exact_bytes, choice.precision
        (True, True, 'abs 0.0001')
    """
    bound = bound_of(precision, "predictions")
    if bound is not None and predict is None:
        raise InvalidName(
            f"precision={precision!r} needs a function that predicts", remedy="pass predict="
        )
    exact = {name: pack(value, pco=pco) for name, value in components.items()}
    base = None if predict is None else _predicted(predict, components, validation)

    def change(packed: Mapping[str, bytes]) -> float | None:
        values = {name: unpack(data) for name, data in packed.items()}
        return None if predict is None else _change(predict, values, validation, base)

    if bound is None or predict is None:
        packed = {name: pack(value, precision, pco=pco) for name, value in components.items()}
        reached = change(packed)
    else:
        rows = validation if sample is None else sample
        known = base if sample is None else _predicted(predict, components, sample)
        search = _Search(components, exact, lambda trial: _change(predict, trial, rows, known))
        tried = (search.within(bound * part, pco=pco) for part in _NARROWER[: _tries(sample)])
        measured = ((one, change(one)) for one in tried)
        fitting = (pair for pair in measured if pair[1] is not None and pair[1] <= bound)
        packed, reached = next(fitting, (exact, 0.0))
    choices = {name: _choice(packed[name], exact[name]) for name in packed}
    return PackedComponents(packed, choices, bound, reached)


def _tries(sample: Any) -> int:
    return 1 if sample is None else len(_NARROWER)


@dataclass(frozen=True)
class _Search:
    """The search for the smallest form of each component.

    Args:
        components: The components by name.
        exact: Their exact forms.
        change: Returns the greatest change of a prediction with some components.
    """

    components: Mapping[str, object]
    exact: Mapping[str, bytes]
    change: Callable[[Mapping[str, object]], float]

    def within(self, bound: float, *, pco: bool) -> dict[str, bytes]:
        """Return the packed components, whose changes add up to the bound by their sizes."""
        total = sum(map(len, self.exact.values()))
        spent = 0
        packed = dict(self.exact)
        chosen = dict(self.components)
        for name in sorted(self.exact, key=lambda one: (-len(self.exact[one]), one)):
            spent += len(self.exact[name])
            allowed = bound * spent / total
            for precision in self._forms(name, chosen, allowed):
                data = pack(self.components[name], precision, pco=pco)
                if len(data) < len(packed[name]):
                    packed[name] = data
                    chosen[name] = approximate(self.components[name], precision).value
        return packed

    def _forms(
        self, name: str, chosen: Mapping[str, object], allowed: float
    ) -> Iterator[Precision]:
        """Yield the coarsest bound of a component's values that is allowed, and ``float32``."""
        greatest = _greatest(self.components[name])
        if greatest == 0.0:
            return
        top = 10.0 ** np.ceil(np.log10(greatest))
        bounds = (
            float(f"{top / 10**decade * part:.1g}") for decade in range(_DECADES) for part in _PARTS
        )
        tried: Iterator[Precision] = ({"abs": one} for one in bounds if one > 0)
        coarsest = next((one for one in tried if self._fits(name, one, chosen, allowed)), None)
        if coarsest is not None:
            yield coarsest
        if self._fits(name, "float32", chosen, allowed):
            yield "float32"

    def _fits(
        self, name: str, precision: Precision, chosen: Mapping[str, object], allowed: float
    ) -> bool:
        found = approximate(self.components[name], precision)
        if found.precision is None:
            return False
        return self.change({**chosen, name: found.value}) <= allowed


def _greatest(value: object) -> float:
    """Return the greatest finite float of a value, without its sign; 0 if it has none."""
    floats = floats_of(value)
    if floats is None:
        return 0.0
    finite = np.abs(floats[np.isfinite(floats)].astype("f8"))
    return float(finite.max(initial=0.0))


def _change(
    predict: Predict | None, trial: Mapping[str, object], validation: Any, base: Array | None
) -> float:
    """Return the greatest change of a prediction; infinite if one is lost."""
    if predict is None or base is None:
        return 0.0
    found = _predicted(predict, trial, validation)
    if found.shape != base.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        same = (found == base) | (np.isnan(found) & np.isnan(base))
        difference = np.where(same, 0.0, np.abs(found - base))
    greatest = float(difference.max(initial=0.0))
    return float("inf") if np.isnan(greatest) else greatest


def _predicted(predict: Predict, components: Mapping[str, object], validation: Any) -> Array:
    found = np.asarray(predict(components, validation))
    if found.dtype.kind not in "biuf":
        raise SchemaMismatch(
            f"predict returned values of type {found.dtype}, which have no distance: return"
            " numbers, such as the probability of each class"
        )
    return found.astype("f8")


def _choice(packed: bytes, exact: bytes) -> Choice:
    header = opened(packed).header
    precision = "exact" if header.precision is None else header.precision
    return Choice(precision, header.error or 0.0, len(packed), len(exact))
