"""Partitions that other engines made with values that no batch can have, such as what Hive and Spark write for a null.

They are left out where a whole table is read, with a warning, so that they keep nobody from all the
others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import UnsupportedPartition
from airflow_sfx.metastore.partition_names import hive_name

T = TypeVar("T")
U = TypeVar("U")

_log = logging.getLogger(__name__)


def usable(found: Iterable[T], made: Callable[[T], U]) -> tuple[list[U], list[InvalidName]]:
    """What can be made of partitions, and why of the others nothing can.

    Args:
        found: The partitions as the metastore gives them.
        made: Makes one ours; raises `InvalidName` where a value breaks a rule.

    Returns:
        What was made, and the errors.
    """
    kept: list[U] = []
    refused: list[InvalidName] = []
    for one in found:
        try:
            kept.append(made(one))
        except InvalidName as error:
            refused.append(error)
    return kept, refused


def usable_of_table(ref: TableRef, found: Iterable[T], made: Callable[[T], U]) -> list[U]:
    """As `usable`, for who reads a whole table: what is left out is said in the log.

    Args:
        ref: The table.
        found: As for `usable`.
        made: As for `usable`.

    Returns:
        What was made.
    """
    kept, refused = usable(found, made)
    if refused:
        _log.warning(
            "%s: %d of the partitions that other programs made are left out, rows and all, as no"
            " batch can have their values (%s). `sfx audit %s` names them; drop or rename them in"
            " the engine that made them",
            ref,
            len(refused),
            _rule(refused[0]),
            ref,
        )
    return kept


def refusal(
    keys: Sequence[PartitionKey], values: Sequence[str], location: str
) -> UnsupportedPartition | None:
    """A partition as one that no batch can be in; None where one can.

    Args:
        keys: The table's keys.
        values: The partition's values.
        location: Where it is.

    Example:
        >>> refusal([PartitionKey("day")], ["__HIVE_DEFAULT_PARTITION__"], "s3://b/x").rule
        "'__HIVE_DEFAULT_PARTITION__' is Hive's name for a null partition value"
        >>> refusal([PartitionKey("day")], ["20161031"], "s3://b/x") is None
        True
    """
    try:
        Partition(tuple(values))
    except InvalidName as error:
        return UnsupportedPartition(hive_name(keys, values), clean_uri(location), _rule(error))
    return None


def _rule(error: InvalidName) -> str:
    """What an error says of the value, without the remedy, which is for who passes one in a call."""
    return str(error).rpartition(": ")[0]
