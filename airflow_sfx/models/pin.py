"""Model pins: one exact version of a model, and the texts that name one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_sfx.core.batch_id import check_batch_id, is_batch_id
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.serde import Record, encode, parse
from airflow_sfx.core.table import (
    LATEST as LATEST,  # noqa: PLC0414  an alias, which those who name versions use
    MODELS,
    TableRef,
    identifier,
)

_ALIAS = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelPin:
    """Exactly one version of a model.

    Args:
        name: The model's name.
        version: The version: the batch ID of the save.

    Raises:
        InvalidName: The name or the version breaks its rule.

    Example:
        >>> pin = ModelPin("delays", "20161101002256")
        >>> str(pin), ModelPin.from_json(pin.to_json()) == pin
        ('delays/20161101002256', True)
    """

    name: str
    version: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", identifier(self.name, "model"))
        check_batch_id(self.version)

    def to_json(self) -> str:
        """Encode the pin as one line of JSON.

        Returns:
            The text.

        Example:
            >>> ModelPin("delays", "20161101002256").to_json()
            '{"model":"delays","version":"20161101002256"}'
        """
        return encode({"model": self.name, "version": self.version})

    @classmethod
    def from_json(cls, text: str) -> ModelPin:
        """Decode a pin of any origin.

        Args:
            text: The text that `to_json` returned.

        Returns:
            The pin.

        Raises:
            InvalidName: It is not the JSON of a model pin.

        Example:
            >>> ModelPin.from_json('{"model":"delays","version":"20161101002256"}').name
            'delays'
        """
        try:
            record = parse(text, _PinRecord)
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidName(
                f"{text!r:.120} is not a model pin ({error}): pass what ModelPin.to_json wrote"
            ) from error
        return cls(record.model, record.version)

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class _PinRecord(Record):
    model: str
    version: str


@dataclass(frozen=True, slots=True)
class ModelName:
    """What a text names: a model, with a version or an alias.

    Args:
        name: The model's name.
        version: The version, or None.
        alias: The alias, or None if a version is named.
    """

    name: str
    version: str | None
    alias: str | None


def model_name(text: object) -> ModelName:
    """Parse ``delays``, ``delays@production`` or ``delays/20161101002256``.

    Args:
        text: The text, or a `ModelPin`.

    Returns:
        What it names; a name alone is the version that was saved last.

    Raises:
        InvalidName: It names no model.

    Example:
        >>> model_name("delays@production")
        ModelName(name='delays', version=None, alias='production')
    """
    if isinstance(text, ModelPin):
        return ModelName(text.name, text.version, None)
    if not isinstance(text, str):
        raise InvalidName(
            f"{text!r:.80} does not name a model: pass 'NAME@ALIAS', 'NAME/VERSION', a ModelPin or"
            " the path of a zip"
        )
    name, at, alias = text.partition("@")
    if at:
        return ModelName(identifier(name, "model"), None, alias_name(alias))
    name, slash, version = text.partition("/")
    if slash:
        return ModelName(identifier(name, "model"), check_batch_id(version), None)
    return ModelName(identifier(name, "model"), None, LATEST)


def table_of(model: object) -> TableRef:
    """Return the table that a model is in the warehouse's log.

    Args:
        model: A name or a text, as for `model_name`.

    Raises:
        InvalidName: It names no model.

    Example:
        >>> str(table_of("delays@production"))
        'models.delays'
    """
    return TableRef(MODELS, model_name(model).name)


def alias_name(alias: object) -> str:
    """Return an alias after checking it.

    Args:
        alias: The alias.

    Raises:
        InvalidName: It breaks the rule.

    Example:
        >>> alias_name("production")
        'production'
    """
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias) or is_batch_id(alias):
        raise InvalidName(
            f"{alias!r:.80} cannot be an alias: use 1 to 64 lower-case letters, digits, hyphens and"
            " underscores, such as 'production'"
        )
    return alias
