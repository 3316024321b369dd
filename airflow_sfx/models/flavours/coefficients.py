"""Coefficients of any linear model: terms, link and levels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from airflow_sfx.core.errors import InvalidName, ModelRefused, SchemaMismatch
from airflow_sfx.models.flavours.base import Answers, Array, Flavour, Scorer, Task, Traits
from airflow_sfx.models.flavours.terms import TermFactor, factors_of
from airflow_sfx.models.schema.rows import Columns, columns_of
from airflow_sfx.models.schema.signature import Feature, Signature, Value, signature_of

if TYPE_CHECKING:
    import pandas as pd

Link = Literal["identity", "logit", "log", "probit", "cloglog", "inverse", "sqrt"]

COEFFICIENTS = "components/coefficients.packed"
"""The entry of the coefficients, which is all that scoring needs."""
WEIGHTS = "components/weights.packed"
"""The coefficients of the terms, in their order, if they are kept in fewer digits."""


def _probit(eta: Array) -> Array:
    from math import erf, sqrt

    return np.array([(1 + erf(one / sqrt(2))) / 2 for one in eta.tolist()], dtype=np.float64)


def _logistic(eta: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.where(eta >= 0, 1 / (1 + np.exp(-eta)), np.exp(eta) / (1 + np.exp(eta)))


_INVERSE: dict[str, Callable[[Array], Array]] = {
    "identity": lambda eta: eta,
    "logit": _logistic,
    "log": np.exp,
    "probit": _probit,
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
    "inverse": lambda eta: 1 / eta,
    "sqrt": np.square,
}
_BOOLEAN = ("false", "true")
INTERCEPT = ("(Intercept)", "Intercept", "intercept", "const")


@dataclass(frozen=True, slots=True)
class Coefficients:
    """A generalised linear model by its coefficients.

    Args:
        terms: The coefficient of each term. A term is a column (``distance``), a level of a column
            (``carrier[UA]``), a function of a column (``log(distance)``, ``distance^2``), or a
            product of these (``distance:carrier[UA]``). R's spelling of a level, ``carrierUA``, is
            understood if ``levels`` has the column.
        intercept: The intercept.
        link: The link function: ``identity``, ``logit``, ``log``, ``probit``, ``cloglog``,
            ``inverse`` or ``sqrt``.
        levels: All levels of each text column, the reference level among them. Other values are
            rejected when the model is used.
        classes: The two classes of a binary model, that of the probability last; empty for a
            model that predicts a number.

    Raises:
        InvalidName: A coefficient is not a number, or a term or the link is unknown.

    Example:
        >>> late = Coefficients({"distance": 0.5, "carrier[UA]": 1.0}, -1.0, "logit",
        ...     levels={"carrier": ["AA", "UA"]}, classes=(False, True))
        >>> late.columns
        ('distance', 'carrier')
    """

    terms: Mapping[str, float]
    intercept: float = 0.0
    link: Link = "identity"
    levels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    classes: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if self.link not in _INVERSE:
            raise InvalidName(
                f"link={self.link!r:.80} is not a link: pass one of {', '.join(_INVERSE)}"
            )
        for name, value in {**self.terms, "the intercept": self.intercept}.items():
            if isinstance(value, bool) or not isinstance(value, int | float | np.floating):
                raise InvalidName(f"the coefficient of {name} is {value!r:.80}: pass a number")
        if self.classes and len(self.classes) != 2:  # noqa: PLR2004
            raise InvalidName(
                f"{len(self.classes)} classes were given: pass two, that of the probability last"
            )
        for name in self.terms:
            factors_of(name, self.levels)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the terms use, in the order in which they appear."""
        found = [one.column for name in self.terms for one in factors_of(name, self.levels)]
        return tuple(dict.fromkeys(found))

    def to_json(self) -> dict[str, object]:
        """Return the members of the model as JSON."""
        return {
            "terms": {name: float(value) for name, value in self.terms.items()},
            "intercept": float(self.intercept),
            "link": self.link,
            "levels": {name: list(some) for name, some in self.levels.items()},
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, data: Any) -> Coefficients:
        """Return the model of its JSON members.

        Raises:
            InvalidName: They are not those of a model.
        """
        try:
            return cls(
                {str(name): value for name, value in data["terms"].items()},
                data["intercept"],
                data["link"],
                {str(name): [str(one) for one in some] for name, some in data["levels"].items()},
                tuple(data["classes"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidName(f"these are not coefficients: {error}") from error

    def linear(self, columns: Columns) -> Array:
        """Return the linear predictor of rows; NaN where a value that it needs is missing."""
        total = np.full(columns.rows, float(self.intercept))
        for summand in self._summands(columns):
            total = total + summand
        return total

    def sizes(self, columns: Columns) -> Array:
        """Return the sum of the sizes of all summands of rows, which bounds their rounding."""
        total = np.full(columns.rows, abs(float(self.intercept)))
        for summand in self._summands(columns):
            total = total + np.abs(summand)
        return total

    def _summands(self, columns: Columns) -> Iterator[Array]:
        for name, coefficient in self.terms.items():
            product = np.ones(columns.rows)
            for factor in factors_of(name, self.levels):
                product = product * self._factor(factor, columns)
            yield float(coefficient) * product

    def answers(self, columns: Columns) -> Answers:
        """Return what the model says about rows."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            mean = _INVERSE[self.link](self.linear(columns))
        if not self.classes:
            return Answers(mean)
        known = np.asarray(list(self.classes))
        return Answers(known[(mean > 0.5).astype(int)], np.column_stack([1 - mean, mean]))  # noqa: PLR2004

    def _factor(self, factor: TermFactor, columns: Columns) -> Array:
        values = columns.arrays[factor.column]
        if factor.level is not None:
            return self._is_level(factor.column, factor.level, values)
        if values.dtype == object:
            values = np.array([np.nan if one is None else one for one in values])
        with np.errstate(all="ignore"):
            return factor.of(values.astype(np.float64))

    def _is_level(self, column: str, level: str, values: Array) -> Array:
        """Return 1 for the rows with a level, 0 for others, and NaN for those without any."""
        known = list(self.levels.get(column, ()))
        found = levels_of(values, known)
        other = {one for one in found if one is not None} - set(known) if known else set()
        if other:
            raise SchemaMismatch(
                f"the column {column!r:.80} has the level {min(other)!r:.80}, which the model does"
                f" not know: it knows {', '.join(known[:5])}"
            )
        return np.array([np.nan if one is None else one == level for one in found], np.float64)


def levels_of(values: Array, known: Sequence[str]) -> list[str | None]:
    """Return values as levels, which are texts; None for missing ones.

    Args:
        values: The values.
        known: The levels that there are: a number is the one that it equals.

    Example:
        >>> levels_of(np.array([4.0, np.nan]), ["4", "6"]), levels_of(np.array([True]), [])
        (['4', None], ['true'])
    """
    numbers = {level_number(one): one for one in known}

    def level(value: object) -> str | None:
        if value is None or value != value:  # noqa: PLR0124  NaN
            return None
        if isinstance(value, bool):
            return str(value).lower()
        return numbers.get(value) or str(value) if isinstance(value, int | float) else str(value)

    return [level(one) for one in values.tolist()]


def level_number(level: str) -> float | None:
    """Return the number that a level is: 0 and 1 for those of booleans; None for other texts.

    Example:
        >>> level_number("4"), level_number("true"), level_number("UA")
        (4.0, 1.0, None)
    """
    if level in _BOOLEAN:
        return float(_BOOLEAN.index(level))
    try:
        return float(level)
    except ValueError:
        return None


class CoefficientsFlavour(Flavour):
    """Models that are their coefficients."""

    name = "coefficients"
    modules = ()

    def matches(self, model: object) -> bool:
        """Return whether a model is coefficients."""
        return isinstance(model, Coefficients)

    def traits(self, model: Coefficients) -> Traits:
        """Return what the coefficients say."""
        task: Task = "classification" if model.classes else "regression"
        return Traits(task, model.columns, model.classes, {"link": model.link})

    def answers(self, model: Coefficients, frame: pd.DataFrame) -> Answers:
        """Return the model's answers."""
        names = [str(name) for name in frame.columns]
        signature = Signature(signature_of(frame, names, None), ())
        return model.answers(columns_of(signature, frame))

    def components(self, model: Coefficients, features: Sequence[Feature]) -> dict[str, object]:
        """Return the coefficients, which are the model."""
        return {"coefficients": model.to_json()}

    def scoring_components(
        self, model: Coefficients, features: Sequence[Feature]
    ) -> dict[str, object]:
        """Return the coefficients of the terms apart from the rest, which stays exact."""
        weights = np.array([float(one) for one in model.terms.values()], dtype=np.float64)
        return {"coefficients": {**model.to_json(), "terms": list(model.terms)}, "weights": weights}

    def with_components(self, model: Coefficients, components: Mapping[str, Any]) -> Coefficients:
        """Return the model with other coefficients of its terms."""
        return replace(
            model, terms=dict(zip(model.terms, components["weights"].tolist(), strict=True))
        )

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return a scorer of the coefficients, which needs numpy only."""
        if COEFFICIENTS not in entries:
            return None
        try:
            return _Scorer(_unpacked(entries))
        except InvalidName as error:
            raise ModelRefused(
                f"{where}: {error}: get the artifact again from where it was saved"
            ) from error


def _unpacked(entries: Mapping[str, bytes]) -> Coefficients:
    """Return the model of an artifact.

    Raises:
        InvalidName: It is not coefficients.
    """
    from airflow_sfx.components import unpack

    members = unpack(entries[COEFFICIENTS])
    names = members.get("terms") if isinstance(members, dict) else None
    if isinstance(names, list):
        weights = unpack(entries[WEIGHTS]) if WEIGHTS in entries else None
        if not isinstance(weights, np.ndarray) or weights.shape != (len(names),):
            raise InvalidName(f"the terms of {COEFFICIENTS} have no {WEIGHTS} of their number")
        members = {**members, "terms": dict(zip(map(str, names), weights.tolist(), strict=True))}
    return Coefficients.from_json(members)


class _Scorer(Scorer):
    def __init__(self, model: Coefficients) -> None:
        self._model = model

    @property
    def native(self) -> object:
        return self._model

    def answers(self, columns: Columns) -> Answers:
        return self._model.answers(columns)
