"""The normal distribution in ONNX, which has the error function in 32 bits only.

The rational approximations of W. J. Cody (1969), which R uses, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from airflow_sfx.models.flavours.graph import GraphBuilder

_NEAR = 0.67448975
_NEAR_OVER = (
    0.065682337918207449113,
    2.2352520354606839287,
    161.02823106855587881,
    1067.6894854603709582,
    18154.981253343561249,
)
_NEAR_UNDER = (
    1.0,
    47.20258190468824187,
    976.09855173777669322,
    10260.932208618978205,
    45507.789335026729956,
)
_FAR_OVER = (
    1.0765576773720192317e-8,
    0.39894151208813466764,
    8.8831497943883759412,
    93.506656132177855979,
    597.27027639480026226,
    2494.5375852903726711,
    6848.1904505362823326,
    11602.651437647350124,
    9842.7148383839780218,
)
_FAR_UNDER = (
    1.0,
    22.266688044328115691,
    235.38790178262499861,
    1519.377599407554805,
    6485.558298266760755,
    18615.571640885098091,
    34900.952721145977266,
    38912.003286093271411,
    19685.429676859990727,
)


def add_normal(graph: GraphBuilder, x: str) -> str:
    """Add the share of the standard normal distribution below numbers, and return its name.

    Args:
        graph: The graph.
        x: The name of the numbers.
    """

    def constant(value: float) -> str:
        return graph.constant("c", value)

    size = graph.node("Abs", [x])
    square = graph.node("Mul", [x, x])
    near = graph.node("Mul", [x, _ratio(graph, square, _NEAR_OVER, _NEAR_UNDER)])
    near = graph.node("Add", [near, constant(0.5)])
    bell = graph.node("Exp", [graph.node("Mul", [square, constant(-0.5)])])
    tail = graph.node("Mul", [bell, _ratio(graph, size, _FAR_OVER, _FAR_UNDER)])
    above = graph.node("Greater", [x, constant(0.0)])
    far = graph.node("Where", [above, graph.node("Sub", [constant(1.0), tail]), tail])
    is_near = graph.node("LessOrEqual", [size, constant(_NEAR)])
    return graph.node("Where", [is_near, near, far])


def _ratio(graph: GraphBuilder, x: str, over: Sequence[float], under: Sequence[float]) -> str:
    return graph.node("Div", [_polynomial(graph, x, over), _polynomial(graph, x, under)])


def _polynomial(graph: GraphBuilder, x: str, factors: Sequence[float]) -> str:
    found = graph.constant("c", factors[0])
    for one in factors[1:]:
        product = graph.node("Mul", [found, x])
        found = graph.node("Add", [product, graph.constant("c", one)])
    return found
