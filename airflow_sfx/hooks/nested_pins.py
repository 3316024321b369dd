"""The pins in a task's arguments, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from airflow_sfx.core.pin import BatchPin


def pins_in(value: object) -> Iterator[BatchPin]:
    """Yield every pin in an argument, also inside collections and mapped outputs.

    Args:
        value: The argument.

    Yields:
        The pins, in order.
    """
    if isinstance(value, BatchPin):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from pins_in(item)
    elif isinstance(value, (Sequence, set, frozenset)) and not isinstance(
        value, (str, bytes, bytearray)
    ):
        items = value[:] if isinstance(value, Sequence) and is_lazy(value) else value
        for item in items:
            yield from pins_in(item)


def is_lazy(value: object) -> bool:
    """Return whether a value is a mapped task's outputs, which are fetched on use."""
    return isinstance(value, Sequence) and not isinstance(
        value, (list, tuple, str, bytes, bytearray, range)
    )
