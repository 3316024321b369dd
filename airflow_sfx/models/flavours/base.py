"""What every flavour does, and the answers of models."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.schema.rows import Columns
from airflow_sfx.models.schema.signature import Feature, Signature, Value

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says about rows.

    Args:
        prediction: A value for each row.
        probability: A row of numbers, one for each class, for each row; None for a regression or
            a classifier without probabilities.
    """

    prediction: Array
    probability: Array | None = None

    def as_dict(self) -> dict[str, Array]:
        """Return the arrays that there are, by name."""
        found = {"prediction": self.prediction}
        return found if self.probability is None else {**found, "probability": self.probability}

    @property
    def scores(self) -> Array:
        """One value for each row: the probability of the last class, else the prediction."""
        return self.prediction if self.probability is None else self.probability[:, -1]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model says about itself.

    Args:
        task: What it predicts: classes or numbers.
        features: The columns that it was trained on, in their order; None if it does not say.
        classes: The classes, in the order of the probabilities.
        parameters: Its own parameters, such as ``{"C": 1.0}``.
    """

    task: Task
    features: tuple[str, ...] | None = None
    classes: tuple[Value, ...] = ()
    parameters: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Native:
    """A model in its library's own form.

    Args:
        path: The name of its entry, such as ``model/native/model.ubj``.
        content: The entry.
        trust: What a caller must name in ``trust=`` to load it; empty for a form that runs no
            code.
    """

    path: str
    content: bytes
    trust: tuple[str, ...] = ()


class Scorer(ABC):
    """Answers for rows, from what an artifact holds."""

    @abstractmethod
    def answers(self, columns: Columns) -> Answers:
        """Return what the model says about rows.

        Args:
            columns: The rows, as the signature has them.
        """

    @property
    def native(self) -> object:
        """The library's own model; None for a scorer without one."""
        return None


class Flavour(ABC):
    """How the models of one library are described, written and read.

    Attributes:
        name: The flavour's name, as in ``MODEL.json``.
        modules: The packages whose classes are of this flavour.
        library: The package that a native model needs, and its name on PyPI.
    """

    name: str
    modules: tuple[str, ...]
    library: tuple[str, str] = ("", "")

    def matches(self, model: object) -> bool:
        """Return whether a model is of this flavour, without importing its library."""
        kinds = type(model).__mro__
        return any(kind.__module__.split(".")[0] in self.modules for kind in kinds)

    @abstractmethod
    def traits(self, model: Any) -> Traits:
        """Return what the model says about itself."""

    @abstractmethod
    def answers(self, model: Any, frame: pd.DataFrame) -> Answers:
        """Return the model's own answers, before any conversion."""

    def native(self, model: Any, *, pickle: bool) -> Native | None:
        """Return the model in its library's own form, or None if it has none.

        Args:
            model: The model.
            pickle: Whether the caller allows a pickle.
        """
        return None

    def portable(
        self, model: Any, features: Sequence[Feature], frame: pd.DataFrame
    ) -> Iterator[bytes]:
        """Yield ONNX files, the most exact first; the first that agrees with the model is kept.

        Args:
            model: The model.
            features: The columns that it takes.
            frame: Some rows.
        """
        return iter(())

    def components(self, model: Any, features: Sequence[Feature]) -> dict[str, object]:
        """Return the parts of the model that people look at, by name."""
        return {}

    def scoring_components(self, model: Any, features: Sequence[Feature]) -> dict[str, object]:
        """Return the components whose numbers decide the answers; empty if there are none."""
        return {}

    def with_components(self, model: Any, components: Mapping[str, Any]) -> Any:
        """Return the model with other values in its components.

        Args:
            model: The model, which stays as it is.
            components: What `scoring_components` returns, with other numbers.

        Returns:
            Another model; a flavour without such components returns the same.
        """
        return model

    def equal_of_onnx(
        self, entries: Mapping[str, bytes], signature: Signature, where: str
    ) -> Scorer | None:
        """Return a scorer that answers as the ONNX does, for machines without onnxruntime.

        Args:
            entries: The entries of the artifact.
            signature: What the model takes and gives.
            where: The artifact, for messages.

        Returns:
            The scorer, which runs no code of the artifact; None if there is none.
        """
        return None

    def load(
        self, entries: Mapping[str, bytes], signature: Signature, trust: Sequence[str], where: str
    ) -> Scorer | None:
        """Return a scorer of what an artifact holds, without ONNX; None if there is none.

        Args:
            entries: The entries of the artifact.
            signature: What the model takes and gives.
            trust: The packages whose code the caller allows to run.
            where: The artifact, for messages.

        Raises:
            ModelRefused: It would run code that the caller does not allow, or its library is
                missing.
        """
        return None


def require(module: str, distribution: str, what: str) -> Any:
    """Import a library that a model needs.

    Args:
        module: The module.
        distribution: Its name on PyPI, or the extra that installs it.
        what: What needs it, for messages.

    Raises:
        ModelRefused: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelRefused(
            f"{what} needs {module}, which is not installed ({error}): pip install {distribution}"
        ) from error


def values_of(classes: Any) -> tuple[Value, ...]:
    """Return classes as plain Python values.

    Example:
        >>> values_of(np.array(["a", "b"])), values_of(np.array([0, 1]))
        (('a', 'b'), (0, 1))
    """
    return tuple(one.item() if isinstance(one, np.generic) else one for one in classes)


def in_classes(labels: Array, classes: Sequence[Value]) -> Array:
    """Return labels with the type of the classes: ONNX has neither booleans nor objects.

    Example:
        >>> in_classes(np.array([0, 1]), (False, True)).tolist()
        [False, True]
    """
    if not classes:
        return labels
    return np.asarray(labels).astype(np.asarray(list(classes)).dtype)


def check_trust(needed: Sequence[str], trust: Sequence[str], where: str, what: str) -> None:
    """Raise an error unless the caller trusts every package whose code would run.

    Args:
        needed: The packages.
        trust: What the caller trusts.
        where: The artifact, for messages.
        what: What would run.

    Raises:
        ModelRefused: A package is not named.
    """
    missing = [name for name in needed if name not in trust]
    if missing:
        listed = ", ".join(repr(name) for name in dict.fromkeys((*trust, *needed)))
        raise ModelRefused(
            f"{where}: {what} runs code of {', '.join(missing)}, which the caller did not allow:"
            f" load it with native=True, trust=[{listed}] if you know who made it"
        )
