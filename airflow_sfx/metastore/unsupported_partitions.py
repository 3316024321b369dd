"""Partitions that other engines created with values that no batch can have.

Hive and Spark create one for a null in a partition column. A read of a whole table skips them with
a warning, so that they do not prevent access to the others.
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


def supported(found: Iterable[T], convert: Callable[[T], U]) -> tuple[list[U], list[InvalidName]]:
    """Convert partitions, and collect the errors of those with unsupported values.

    Args:
        found: The partitions as the metastore returned them.
        convert: Converts one; raises `InvalidName` if a value breaks a rule.

    Returns:
        The converted partitions, and the errors of the others.
    """
    converted: list[U] = []
    errors: list[InvalidName] = []
    for one in found:
        try:
            converted.append(convert(one))
        except InvalidName as error:
            errors.append(error)
    return converted, errors


def supported_of_table(ref: TableRef, found: Iterable[T], convert: Callable[[T], U]) -> list[U]:
    """Convert all partitions of a table, and log a warning if some are skipped.

    Args:
        ref: The table.
        found: As for `supported`.
        convert: As for `supported`.

    Returns:
        The converted partitions.
    """
    converted, errors = supported(found, convert)
    if errors:
        _log.warning(
            "%s: skipping %d partition(s) created by other engines, with all rows: their values are"
            " not supported (%s). `sfx audit %s` lists them; drop or rename them in the engine that"
            " created them",
            ref,
            len(errors),
            errors[0].rule,
            ref,
        )
    return converted


def unsupported(
    keys: Sequence[PartitionKey], values: Sequence[str], location: str
) -> UnsupportedPartition | None:
    """Return a partition as an unsupported one; None if a batch can have its values.

    Args:
        keys: The table's keys.
        values: The partition's values.
        location: Its location.

    Example:
        >>> unsupported([PartitionKey("day")], ["__HIVE_DEFAULT_PARTITION__"], "s3://b/x").rule
        "'__HIVE_DEFAULT_PARTITION__' is Hive's name for a null partition value"
        >>> unsupported([PartitionKey("day")], ["20161031"], "s3://b/x") is None
        True
    """
    try:
        Partition(tuple(values))
    except InvalidName as error:
        return UnsupportedPartition(hive_name(keys, values), clean_uri(location), error.rule)
    return None
