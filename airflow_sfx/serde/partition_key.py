"""A partition as the key of an asset event: in characters that Airflow takes in run IDs, and back.

Airflow puts a partition key into the run ID, which takes letters, digits and ``_.~:+-``, and no
more than 250 of them.
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
    """The key of a partition's events.

    Args:
        partition: The partition, of a table with keys.

    Returns:
        The key. Two partitions never have the same; one of plain text is its own key.

    Raises:
        InvalidName: The table has no partition keys, so that its events have no key.

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
    """The partition whose events have a key.

    Args:
        key: What `event_key` gave, or any plain partition key, such as that of a timetable.

    Returns:
        The partition.

    Raises:
        InvalidName: The key was shortened, because the partition's name is too long: its event says
            which it is.

    Example:
        >>> partition_of_key("2016~2FUS~252FEast").values
        ('2016', 'US/East')
    """
    if _SHORTENED in key:
        raise InvalidName(
            f"the partition key {key!r} was shortened: take the partition from the event's pin"
        )
    coded = re.sub(
        r"(?:~[0-9A-F]{2})+",
        lambda found: bytes.fromhex(found.group().replace("~", "")).decode(),
        key,
    )
    return Partition(tuple(unescape(step) for step in coded.split("/")))


def partition_of_name(name: str) -> Partition:
    """The partition that a pin calls by a name, in either style of directories.

    Example:
        >>> partition_of_name("y=2016/c=US%2FEast").values, partition_of_name("20161031").values
        (('2016', 'US/East'), ('20161031',))
    """
    return Partition(
        tuple(unescape(step.rpartition("=")[2]) for step in name.split("/")) if name else ()
    )
