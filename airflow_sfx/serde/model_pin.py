"""The form of a model's version in XCom: checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.models.pin import ModelPin
from airflow_sfx.serde.pin import refuse_version, register_class


def dump(pin: ModelPin) -> dict[str, object]:
    """Write the pin of a model for XCom.

    Args:
        pin: The pin.

    Returns:
        Built-in values only.

    Example:
        >>> dump(ModelPin("delays", "20161101002256"))
        {'model': 'delays', 'version': '20161101002256'}
    """
    return {"model": pin.name, "version": pin.version}


def load(data: object, version: int) -> ModelPin:
    """Read a pin of `dump`; it may have been edited or forged, so all is checked.

    Args:
        data: The value from XCom.
        version: The version that wrote it.

    Returns:
        The pin.

    Raises:
        InvalidName: It is not a pin, or its name or its version breaks a rule.

    Example:
        >>> load({"model": "delays", "version": "20161101002256"}, 1)
        ModelPin(name='delays', version='20161101002256')
    """
    refuse_version(version)
    name, saved = (data.get("model"), data.get("version")) if isinstance(data, Mapping) else (0, 0)
    if not isinstance(name, str) or not isinstance(saved, str):
        raise InvalidName(
            f"the XCom does not hold the pin of a model but {data!r:.80}: clear the task that made"
            " it"
        )
    return ModelPin(name, saved)


def register() -> None:
    """Let this process's XCom read and write pins of models."""
    register_class(ModelPin, dump, load)
