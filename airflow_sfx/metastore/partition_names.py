"""A partition's name as Hive writes it, ``day=2016/city=US%2FEast``: what engines show and take."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_sfx.core.partition import PartitionKey, unescape

# What Hive's FileUtils.escapePathName encodes: names are compared as text, so ours must be Hive's
# to the letter.
_HIVE_ESCAPES = re.compile(r"""[\x00-\x1f"#%'*/:=?\\\x7f{\[\]^]""")


def hive_name(keys: Sequence[PartitionKey], values: Sequence[str]) -> str:
    """A partition's name.

    Args:
        keys: The table's keys.
        values: The partition's values, whatever they are.

    Example:
        >>> hive_name([PartitionKey("day"), PartitionKey("city")], ["2016", "US/East"])
        'day=2016/city=US%2FEast'
    """
    pairs = zip(keys, values, strict=True)
    return "/".join(f"{key.name}={_HIVE_ESCAPES.sub(_encoded, value)}" for key, value in pairs)


def values_of(name: str) -> tuple[str, ...]:
    """The values that a name holds.

    Example:
        >>> values_of("day=2016/city=US%2FEast")
        ('2016', 'US/East')
    """
    return tuple(unescape(step.partition("=")[2]) for step in name.split("/"))


def _encoded(found: re.Match[str]) -> str:
    return f"%{ord(found.group()):02X}"
