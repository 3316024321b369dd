"""Builds ONNX graphs by hand, with numbers of 64 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from airflow_sfx.models.flavours.base import Array, require

_EXTRA = "'airflow-sfx[models]'"
_OPSETS = (("", 17), ("ai.onnx.ml", 5))
_IR = 10

Takes = Literal["double", "text"]
"""What an input or an output of a graph is."""


class GraphBuilder:
    """An ONNX graph, built from its first node to its last.

    Args:
        what: What the graph is for, for messages.

    Raises:
        ModelRefused: The package onnx is not installed.
    """

    def __init__(self, what: str) -> None:
        require("onnx", _EXTRA, what)
        from onnx import TensorProto, helper, numpy_helper

        self._helper, self._tensors = helper, numpy_helper
        self._kinds = {
            "double": TensorProto.DOUBLE,
            "text": TensorProto.STRING,
            "int64": TensorProto.INT64,
        }
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._takes: list[Any] = []
        self._names: set[str] = set()

    def takes(self, name: str, kind: Takes, shape: Sequence[int | None] = (None,)) -> str:
        """Add an input, and return its name; nodes and constants get other names."""
        self._names.add(name)
        self._takes.append(
            self._helper.make_tensor_value_info(name, self._kinds[kind], list(shape))
        )
        return name

    def node(self, kind: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return the output's name."""
        name = self._unique(f"{kind.lower()}_{len(self._nodes)}")
        made = self._helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes)
        self._nodes.append(made)
        return name

    def cast(self, value: str, kind: Literal["double", "int64"]) -> str:
        """Add a conversion of a value, and return its name."""
        return self.node("Cast", [value], to=self._kinds[kind])

    def constant(self, name: str, value: Array | Sequence[float] | float) -> str:
        """Add a constant, and return its name, which has a number if there is another."""
        unique = self._unique(name)
        self._constants[unique] = self.tensor(unique, value)
        return unique

    def _unique(self, name: str) -> str:
        found, count = name, 0
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def tensor(self, name: str, value: Array | Sequence[float] | float) -> Any:
        """Return a value as a tensor, for an attribute of a node."""
        return self._tensors.from_array(np.asarray(value), name)

    def model(
        self,
        outputs: Sequence[tuple[str, str, Sequence[int | None]]],
        metadata: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return the graph as a file.

        Args:
            outputs: The name, type and shape of each output.
            metadata: What the file says about itself.
        """
        gives = [
            self._helper.make_tensor_value_info(name, self._kinds[kind], list(shape))
            for name, kind, shape in outputs
        ]
        graph = self._helper.make_graph(
            self._nodes, "model", self._takes, gives, list(self._constants.values())
        )
        opsets = [self._helper.make_opsetid(domain, version) for domain, version in _OPSETS]
        model = self._helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
        if metadata:
            self._helper.set_model_props(model, dict(metadata))
        return bytes(model.SerializeToString(deterministic=True))
