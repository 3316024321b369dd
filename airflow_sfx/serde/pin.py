"""The form of a pin in XCom: compressed if large, and checked when it is read.

Airflow writes an object that has ``serialize()`` and reads it with its class's ``deserialize()``,
if the class is allowed. `register` adds both to `BatchPin` and allows it, so that deployments need
no configuration. Nothing is unpickled.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Mapping

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import encode

VERSION = 1
"""The version of the form of pins, of batches and of models."""
READABLE_PARTITIONS = 20
"""The limit up to which partitions are written uncompressed, so that the UI shows them."""

_LARGEST_TEXT = 64 * 2**20
"""The limit of a decompressed pin in bytes: a million partitions, and no more for a forged one."""


def dump(pin: BatchPin) -> dict[str, object]:
    """Write a pin for XCom.

    Args:
        pin: The pin.

    Returns:
        Built-in values only. Many partitions are written as columns, because similar neighbours
        compress best: 10,000 partitions need less than 100 kB.

    Example:
        >>> entries = (("20161031", "20161101002256"),)
        >>> pin = BatchPin("sales", "items", "s3://b/sales.db/items", entries)
        >>> dump(pin)["batches"]
        {'20161031': '20161101002256'}
    """
    head: dict[str, object] = {
        "database": pin.database,
        "table": pin.table,
        "location": pin.location,
    }
    if len(pin.entries) <= READABLE_PARTITIONS:
        return head | {"batches": pin.batches}
    names, batch_ids = zip(*pin.entries, strict=True)
    packed = zlib.compress(encode([names, batch_ids]).encode(), 9)
    return head | {"partitions": len(pin.entries), "zlib": base64.b85encode(packed).decode()}


def load(data: object, version: int) -> BatchPin:
    """Read a pin of `dump`; it may have been edited or forged, so all is checked.

    Args:
        data: The value from XCom.
        version: The version that wrote it.

    Returns:
        The pin.

    Raises:
        InvalidName: It is not a pin, or a name, a path or a batch ID in it breaks its rule.

    Example:
        >>> entries = tuple((f"{n:04}", "20161101002256") for n in range(999))
        >>> many = BatchPin("s", "t", "s3://b/t", entries)
        >>> load(dump(many), VERSION) == many
        True
    """
    refuse_version(version)
    if not isinstance(data, Mapping):
        raise InvalidName(
            f"the XCom does not hold a pin but {data!r:.80}: clear the task that made it"
        )
    batches = _unpack(data["zlib"]) if "zlib" in data else data.get("batches")
    head = {name: data.get(name) for name in ("database", "table", "location")}
    return BatchPin.from_json(encode(head | {"batches": batches}))


def register() -> None:
    """Let this process's XCom read and write pins."""
    register_class(BatchPin, dump, load)


def register_class(kind: type, write: Callable[..., object], read: Callable[..., object]) -> None:
    """Let this process's XCom read and write the values of a class.

    Args:
        kind: The class.
        write: Returns a value in built-in types.
        read: Returns the value of these and of their version.
    """
    from airflow.sdk.serde import allow_class

    methods = {"__version__": VERSION, "serialize": write, "deserialize": staticmethod(read)}
    for name, method in methods.items():
        setattr(kind, name, method)
    allow_class(kind)


def refuse_version(version: int) -> None:
    """Raise an error for a pin in a form that this package does not read.

    Args:
        version: The version that wrote it.

    Raises:
        InvalidName: It is another one.
    """
    if version != VERSION:
        raise InvalidName(
            f"the XCom holds a pin of version {version!r} and this package reads version {VERSION}:"
            " install the same airflow_sfx everywhere, then clear the task that made the pin"
        )


def _unpack(text: object) -> dict[str, str]:
    try:
        if not isinstance(text, str):
            raise TypeError("it is not text")
        reader = zlib.decompressobj()
        plain = reader.decompress(base64.b85decode(text), _LARGEST_TEXT)
        if not reader.eof:
            raise ValueError("it is cut short or too large")
        names, batch_ids = json.loads(plain)
        return dict(zip(names, batch_ids, strict=True))
    except (ValueError, TypeError, zlib.error, binascii.Error) as error:
        raise InvalidName(
            f"the XCom does not hold a pin that this package wrote ({error}): clear the task that"
            " made it"
        ) from error
