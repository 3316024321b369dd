"""The partition keys of asset events, in characters that run IDs may have.

Airflow puts a partition key into the run ID, which may have letters, digits and ``_.~:+-``, and at
most 250 of them.
"""

from __future__ import annotations

import hashlib
import re

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import Partition, escape, unescape

LONGEST = 250
_PLAIN = re.compile(r"[^A-Za-z0-9_.:+-]")
_SHORTENED = "~~"


def event_key(partition: Partition) -> str:
    """Return the key of a partition's events.

    Args:
        partition: The partition, of a table with keys.

    Returns:
        The key. Two partitions never have the same key; plain text is its own key.

    Raises:
        InvalidName: The table has no partition keys, so its events have no key.

    Example:
        >>> event_key(Partition(("20161031",))), event_key(Partition(("2016", "US/East")))
        ('20161031', '2016~2FUS~252FEast')
    """
    if not partition.values:
        raise InvalidName("the events of a table without partitions have no partition key")
    text = "/".join(escape(value) for value in partition.values)
    coded = _PLAIN.sub(
        lambda found: "".join(f"~{byte:02X}" for byte in found.group().encode()), text
    )
    if len(coded) <= LONGEST:
        return coded
    return f"{coded[:180]}{_SHORTENED}{hashlib.sha256(text.encode()).hexdigest()}"


def partition_of_key(key: str) -> Partition:
    """Return the partition whose events have a key.

    Args:
        key: A key of `event_key`, or any plain partition key, such as that of a timetable.

    Returns:
        The partition.

    Raises:
        InvalidName: The key was shortened, because the partition's name is too long; the event's
            pin has the name.

    Example:
        >>> partition_of_key("2016~2FUS~252FEast").values
        ('2016', 'US/East')
    """
    if _SHORTENED in key:
        raise InvalidName(
            f"the partition key {key!r} was shortened: use the partition in the event's pin"
        )
    coded = re.sub(
        r"(?:~[0-9A-F]{2})+",
        lambda found: bytes.fromhex(found.group().replace("~", "")).decode(),
        key,
    )
    return Partition(tuple(unescape(step) for step in coded.split("/")))


def partition_of_name(name: str) -> Partition:
    """Return the partition that a pin names, in either style of directories.

    Example:
        >>> partition_of_name("y=2016/c=US%2FEast").values, partition_of_name("20161031").values
        (('2016', 'US/East'), ('20161031',))
    """
    return Partition(
        tuple(unescape(step.rpartition("=")[2]) for step in name.split("/")) if name else ()
    )
