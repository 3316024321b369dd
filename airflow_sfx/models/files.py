"""Models and artifacts in files of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.models.flavours.base import require
from airflow_sfx.models.flavours.coefficients import Coefficients


def is_file(source: object) -> bool:
    """Return whether a source of a model is the path of a zip, and not a name.

    Example:
        >>> is_file("delays.zip"), is_file("delays@production")
        (True, False)
    """
    return isinstance(source, os.PathLike) or (isinstance(source, str) and source.endswith(".zip"))


def artifact_from_file(path: Path) -> bytes:
    """Return the bytes of an artifact.

    Args:
        path: The zip file.

    Raises:
        ModelRefused: It cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ModelRefused(
            f"{path} cannot be read ({_why(error)}): pass the path of a zip that"
            " `sfx model show --into` wrote"
        ) from error


def write_artifact_file(path: Path, content: bytes) -> None:
    """Write an artifact to a file that does not exist yet.

    Args:
        path: The file.
        content: The artifact.

    Raises:
        InvalidName: The file exists, or cannot be written.
    """
    try:
        with path.open("xb") as file:
            file.write(content)
    except (OSError, ValueError) as error:
        raise InvalidName(
            f"{path} cannot be written ({_why(error)}): name a new file in a directory that exists"
        ) from error


def _why(error: Exception) -> object:
    return getattr(error, "strerror", None) or error


def model_from_file(path: Path) -> object:
    """Load a model from a file of its library, in a form that runs no code.

    Args:
        path: A file that ends with ``.onnx``, ``.ubj``, ``.txt`` or ``.json``.

    Raises:
        ModelRefused: The file is of another kind, or cannot be read.
    """
    load = _LOADERS.get(path.suffix)
    if load is None:
        raise ModelRefused(
            f"{path} is not a model that can be saved without running code: pass a file that ends"
            f" with {', '.join(_LOADERS)}, or save the model from Python"
        )
    content = artifact_from_file(path)
    try:
        return load(content)
    except ModelRefused:
        raise
    except Exception as error:  # libraries raise anything at content that they do not know
        raise ModelRefused(
            f"{path} is not a model that its name says ({error}): save it again with its library"
        ) from error


def _xgboost(content: bytes) -> Any:
    xgboost = require("xgboost", "xgboost", "the file")
    return xgboost.Booster(model_file=bytearray(content))


def _lightgbm(content: bytes) -> Any:
    lightgbm = require("lightgbm", "lightgbm", "the file")
    text = content.decode()
    if not text.startswith("tree\n"):  # lightgbm ends the process at other text
        raise InvalidName("it does not begin with 'tree'")
    return lightgbm.Booster(model_str=text)


def _coefficients(content: bytes) -> Coefficients:
    members = {"intercept": 0.0, "link": "identity", "levels": {}, "classes": []}
    return Coefficients.from_json({**members, **msgspec.json.decode(content, type=dict[str, Any])})


_LOADERS: dict[str, Callable[[bytes], object]] = {
    ".onnx": bytes,
    ".ubj": _xgboost,
    ".txt": _lightgbm,
    ".json": _coefficients,
}
