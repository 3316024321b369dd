"""A Python function over components, for what no library has."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.flavours.base import Answers, Flavour, Native, Scorer, Traits, check_trust
from airflow_sfx.models.schema.rows import Columns, frame_of
from airflow_sfx.models.schema.signature import Feature, Signature

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "model/native/function.py"
"""The source of the module that defines the function."""
CODE = "code"
"""What a caller names in ``trust=`` to run the artifact's own code."""
_COMPONENTS = "components/"
_PACKED = ".packed"


@dataclass(frozen=True, slots=True)
class FunctionModel:
    """A function of a frame and of named components.

    Args:
        function: Takes a pandas DataFrame and a mapping of components by name, and returns one
            prediction for each row. It is defined in a module, and imports what it needs.
        components: What it looks up: vectors, matrices, maps, tables or JSON; see
            `airflow_sfx.components`.

    Raises:
        InvalidName: The function is not defined at the top of a module with a source.

    Example:
        >>> from statistics import mean
        >>> FunctionModel(mean, {}).name
        'mean'
    """

    function: Callable[[Any, Mapping[str, Any]], Any]
    components: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.function) or "<" in getattr(self.function, "__qualname__", "<"):
            raise InvalidName(
                f"{self.function!r:.80} is not a function of a module: define it with def at the"
                " top of a module, so that its source can be saved"
            )

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__qualname__

    @property
    def source(self) -> str:
        """The source of the module that defines the function.

        Raises:
            InvalidName: There is none.
        """
        module = sys.modules.get(self.function.__module__)
        try:
            assert module is not None
            return inspect.getsource(module)
        except (OSError, TypeError, AssertionError):
            pass
        try:
            return inspect.getsource(self.function)
        except (OSError, TypeError) as error:
            raise InvalidName(
                f"{self.name} has no source: define it in a file, not at a prompt"
            ) from error


class FunctionFlavour(Flavour):
    """Functions over components."""

    name = "function"
    modules = ()

    def matches(self, model: object) -> bool:
        """Return whether a model is a function over components."""
        return isinstance(model, FunctionModel)

    def traits(self, model: FunctionModel) -> Traits:
        """Return what is known of a function."""
        return Traits("regression", None, (), {"function": model.name})

    def answers(self, model: FunctionModel, frame: pd.DataFrame) -> Answers:
        """Return what the function gives."""
        return _answers(model.function, frame, model.components)

    def native(self, model: FunctionModel, *, pickle: bool) -> Native | None:
        """Return the function's source, which runs only if the caller trusts ``code``."""
        text = f"{model.source.rstrip()}\n\n\nSFX_FUNCTION = {model.name}\n"
        return Native(SOURCE, text.encode(), (CODE,))

    def components(self, model: FunctionModel, features: Sequence[Feature]) -> dict[str, object]:
        """Return the components."""
        return dict(model.components)

    def scoring_components(
        self, model: FunctionModel, features: Sequence[Feature]
    ) -> dict[str, object]:
        """Return the components, which is all that the function looks up."""
        return dict(model.components)

    def with_components(self, model: FunctionModel, components: Mapping[str, Any]) -> FunctionModel:
        """Return the function over other components."""
        return replace(model, components=components)

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return the function, from the source in the artifact."""
        from airflow_sfx.components import unpack

        if SOURCE not in entries:
            return None
        check_trust([CODE], trust, where, "its function")
        components = {
            name.removeprefix(_COMPONENTS).removesuffix(_PACKED): unpack(content)
            for name, content in entries.items()
            if name.startswith(_COMPONENTS) and name.endswith(_PACKED)
        }
        module = ModuleType("sfx_model_function")
        try:
            exec(compile(entries[SOURCE], f"{where}/{SOURCE}", "exec"), module.__dict__)  # noqa: S102  allowed
            function = module.SFX_FUNCTION
        except Exception as error:  # of any code
            raise ModelRefused(
                f"{where}: the code of its function failed ({error!r}): install what it imports,"
                " which its env/requirements.lock lists"
            ) from error
        return _Function(function, components, signature)


class _Function(Scorer):
    def __init__(
        self, function: Callable[..., Any], components: Mapping[str, object], signature: Signature
    ) -> None:
        self._function, self._components, self._signature = function, components, signature

    @property
    def native(self) -> object:
        return self._function

    def answers(self, columns: Columns) -> Answers:
        return _answers(self._function, frame_of(self._signature, columns), self._components)


def _answers(
    function: Callable[..., Any], frame: pd.DataFrame, components: Mapping[str, object]
) -> Answers:
    found = np.asarray(function(frame, components))
    if found.shape != (len(frame),):
        raise ModelRefused(
            f"the function gave {found.shape} values for {len(frame)} rows: return one for each"
        )
    return Answers(found)
