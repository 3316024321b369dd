"""Linear models of R as ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from airflow_sfx.models.flavours.coefficients import Coefficients
from airflow_sfx.models.flavours.r.columns import ColumnGraph
from airflow_sfx.models.flavours.r.normal import add_normal
from airflow_sfx.models.flavours.terms import TermFactor, factors_of
from airflow_sfx.models.schema.signature import Feature

_MOST_CELLS = 1_000_000
"""How many combinations of levels a term may have."""
Numbers = tuple[TermFactor, ...]


def linear_to_onnx(model: Coefficients, features: Sequence[Feature]) -> bytes | None:
    """Return coefficients as ONNX.

    Args:
        model: The model, which predicts numbers.
        features: The columns that it takes, at least one.

    Returns:
        The file, or None if a term has too many combinations of levels.
    """
    graph = ColumnGraph(model.columns or (features[0].name,), features, model.levels)
    builder = _Linear(graph, model)
    total = graph.filled("intercept", model.intercept)
    for (columns, numbers), weights in _grouped(model).items():
        summand = builder.table(columns, weights) if columns else builder.weight(weights[()])
        if summand is None:
            return None
        for factor in numbers:
            summand = graph.node("Mul", [summand, builder.number(factor)])
        total = graph.node("Add", [total, summand])
    mean = _MEANS[model.link](graph, total)
    return graph.model([(mean, "double", [None])], graph.metadata)


def _grouped(
    model: Coefficients,
) -> Mapping[tuple[tuple[str, ...], Numbers], dict[tuple[str, ...], float]]:
    """Return weights by their levels, by the columns of these and the numbers of the term."""
    found: dict[tuple[tuple[str, ...], Numbers], dict[tuple[str, ...], float]] = {}
    for name, weight in model.terms.items():
        factors = factors_of(name, model.levels)
        leveled = sorted((one.column, one.level) for one in factors if one.level is not None)
        numbers = tuple(one for one in factors if one.level is None)
        place = found.setdefault((tuple(column for column, _ in leveled), numbers), {})
        place[tuple(level for _, level in leveled)] = float(weight)
    return found


class _Linear:
    """Adds the summands, each column and each function of one once."""

    def __init__(self, graph: ColumnGraph, model: Coefficients) -> None:
        self._graph, self._model = graph, model
        self._codes: dict[str, str] = {}
        self._numbers: dict[TermFactor, str] = {}

    def weight(self, value: float) -> str:
        """Add a weight."""
        return self._graph.constant("weight", [value])

    def number(self, factor: TermFactor) -> str:
        """Add a function of a column."""
        if factor not in self._numbers:
            self._numbers[factor] = self._function(factor)
        return self._numbers[factor]

    def _function(self, factor: TermFactor) -> str:
        graph, column = self._graph, factor.column
        if factor.power != 1:
            return graph.node("Pow", [column, graph.constant("power", float(factor.power))])
        match factor.function:
            case "":
                return column
            case "log" | "sqrt" | "exp":
                return graph.node(factor.function.capitalize(), [column])
            case "log1p":
                more = graph.node("Add", [column, graph.constant("one", 1.0)])
                return graph.node("Log", [more])
            case base:
                natural = graph.node("Log", [column])
                by = graph.constant(base, float(np.log(float(base.removeprefix("log")))))
                return graph.node("Div", [natural, by])

    def table(
        self, columns: tuple[str, ...], weights: Mapping[tuple[str, ...], float]
    ) -> str | None:
        """Add the weights of levels, or of combinations of these, NaN for missing ones."""
        graph = self._graph
        shape = [len(self._model.levels[one]) for one in columns]
        if int(np.prod(shape)) > _MOST_CELLS:
            return None
        table = np.zeros(shape)
        for levels, weight in weights.items():
            table[self._place(columns, levels)] = weight
        index = ""
        for column, size in zip(columns, shape, strict=True):
            code = self._code(column)
            if index:
                step = graph.node("Mul", [index, graph.constant("size", float(size))])
                index = graph.node("Add", [step, code])
            else:
                index = code
        missing = graph.node("IsNaN", [index])
        last = graph.constant("missing", float(table.size))
        whole = graph.cast(graph.node("Where", [missing, last, index]), "int64")
        cells = graph.constant("cells", np.append(table.ravel(), np.nan))
        return graph.node("Gather", [cells, whole])

    def _place(self, columns: tuple[str, ...], levels: tuple[str, ...]) -> tuple[int, ...]:
        known = self._model.levels
        return tuple(
            list(known[one]).index(level) for one, level in zip(columns, levels, strict=True)
        )

    def _code(self, column: str) -> str:
        if column not in self._codes:
            self._codes[column] = self._graph.codes(column)
        return self._codes[column]


def _cloglog(graph: ColumnGraph, eta: str) -> str:
    survival = graph.node("Exp", [graph.node("Neg", [graph.node("Exp", [eta])])])
    return graph.node("Sub", [graph.constant("one", 1.0), survival])


_MEANS: dict[str, Callable[[ColumnGraph, str], str]] = {
    "identity": lambda graph, eta: eta,
    "logit": lambda graph, eta: graph.node("Sigmoid", [eta]),
    "log": lambda graph, eta: graph.node("Exp", [eta]),
    "inverse": lambda graph, eta: graph.node("Reciprocal", [eta]),
    "sqrt": lambda graph, eta: graph.node("Mul", [eta, eta]),
    "cloglog": _cloglog,
    "probit": add_normal,
}
"""The inverse of each link."""
