"""Partition names as Hive writes them: ``day=2016/city=US%2FEast``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_sfx.core.partition import PartitionKey, unescape

# The characters that Hive's FileUtils.escapePathName encodes. Engines compare names as text, so
# they must be exactly these.
_HIVE_ESCAPES = re.compile(r"""[\x00-\x1f"#%'*/:=?\\\x7f{\[\]^]""")


def hive_name(keys: Sequence[PartitionKey], values: Sequence[str]) -> str:
    """Return a partition's name.

    Args:
        keys: The table's keys.
        values: The partition's values; any text.

    Example:
        >>> hive_name([PartitionKey("day"), PartitionKey("city")], ["2016", "US/East"])
        'day=2016/city=US%2FEast'
    """
    pairs = zip(keys, values, strict=True)
    return "/".join(f"{key.name}={_HIVE_ESCAPES.sub(_encoded, value)}" for key, value in pairs)


def values_of(name: str) -> tuple[str, ...]:
    """Return the partition values of a name.

    Example:
        >>> values_of("day=2016/city=US%2FEast")
        ('2016', 'US/East')
    """
    return tuple(unescape(step.partition("=")[2]) for step in name.split("/"))


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found.group()):02X}"
