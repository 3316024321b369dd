"""Where what is served is from: a file, a version, or an alias, which moves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.model import Model, load_artifact
from airflow_sfx.models.pin import ModelPin, model_name
from airflow_sfx.serving.served import Served, ServedModel

if TYPE_CHECKING:
    from airflow_sfx.models.registry import ModelRegistry

_EARLIER = 100
"""How many entries of an alias's history are searched for an earlier version."""


class Source(ABC):
    """Where what is served is from.

    Attributes:
        name: What was asked for, such as ``delays@production``.
        moves: Whether it may name another version later.
    """

    name: str
    moves: bool

    @abstractmethod
    def newest(self) -> str:
        """Return the version that the name has now."""

    @abstractmethod
    def served(self, version: str) -> Served:
        """Load a version, and check it."""

    def earlier(self) -> Iterator[str]:
        """Yield the versions that the name had before, newest first."""
        return iter(())


class ModelSource(Source):
    """Where a model is from."""

    @abstractmethod
    def load(self, version: str) -> Model:
        """Load a version."""

    def served(self, version: str) -> ServedModel:
        """Load a version, and check its golden rows."""
        return ServedModel(self.load(version))


class FileSource(ModelSource):
    """The zip file of a version.

    Args:
        path: Its path.
        trust: What code of it may run; see `ModelRegistry.load`.
        key: The file of a public key whose signature it must have, or None.
    """

    moves = False

    def __init__(self, path: str, trust: Sequence[str] = (), key: Path | None = None) -> None:
        self.name, self._trust, self._public_key = path, trust, key

    def newest(self) -> str:
        """Return the path."""
        return self.name

    def load(self, version: str) -> Model:
        """Load the file."""
        try:
            data = Path(self.name).read_bytes()
        except OSError as error:
            raise ModelRefused(
                f"{self.name} cannot be read ({error.strerror}): pass the path of a model's zip"
            ) from error
        if self._public_key is not None:
            from airflow_sfx.models.signing.files import check_file

            check_file(data, Path(self.name), self._public_key)
        return load_artifact(data, self.name, trust=self._trust)


class RegistrySource(ModelSource):
    """A version or an alias of the registry.

    Args:
        registry: The registry.
        name: ``delays@production``, ``delays/20161101002256`` or ``delays``.
        trust: What code of it may run; see `ModelRegistry.load`.
        key: The file of a public key whose signature each version must have, or None.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        name: str,
        trust: Sequence[str] = (),
        key: Path | None = None,
    ) -> None:
        self._registry, self._named = registry, model_name(name)
        self._trust, self._public_key = trust, key
        self.name, self.moves = name, self._named.alias is not None

    def newest(self) -> str:
        """Return the version that the name has now."""
        return self._registry.resolve(self.name).version

    def load(self, version: str) -> Model:
        """Load a version from the warehouse."""
        pin = ModelPin(self._named.name, version)
        return self._registry.load(pin, trust=self._trust, key=self._public_key)

    def earlier(self) -> Iterator[str]:
        """Yield the versions that the alias had before, newest first, each once."""
        if self._named.alias is None:
            return
        entries = self._registry.history(self._named.name, self._named.alias, limit=_EARLIER)
        found = dict.fromkeys(one.batch_id for one in entries if one.batch_id)
        yield from list(found)[1:]


def source_of(
    text: str,
    registry: Callable[[], ModelRegistry],
    trust: Sequence[str] = (),
    key: Path | None = None,
) -> Source:
    """Return where a model is from that a text names.

    Args:
        text: The path of a zip, ``NAME@ALIAS``, ``NAME/VERSION`` or ``NAME``.
        registry: Opens the registry, if it is needed.
        trust: What code of the model may run.
        key: The file of a public key whose signature the model must have, or None.

    Raises:
        InvalidName: It names no model.

    Example:
        >>> source_of("delays-20161101002256.zip", registry=lambda: None).moves
        False
    """
    if text.endswith(".zip"):
        return FileSource(text, trust, key)
    if ":" in text:
        raise InvalidName(
            f"{text!r:.80} names a Python function where a model is wanted: pass NAME@ALIAS,"
            " NAME/VERSION or the path of a zip"
        )
    model_name(text)
    return RegistrySource(registry(), text, trust, key)


def shadow_of(
    text: str,
    alias: str,
    registry: Callable[[], ModelRegistry],
    trust: Sequence[str] = (),
    key: Path | None = None,
) -> Source:
    """Return the source of the version that answers beside the served one.

    Args:
        text: What is served.
        alias: Another alias of the same model, or any other text that names a model.
        registry: Opens the registry.
        trust: What code of the model may run.
        key: The file of a public key whose signature the model must have, or None.

    Raises:
        InvalidName: It names no model.
    """
    if "@" in alias or "/" in alias or text.endswith(".zip"):
        return source_of(alias, registry, trust, key)
    return source_of(f"{model_name(text).name}@{alias}", registry, trust, key)
