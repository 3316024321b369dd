"""Detection of Delta, Iceberg and Hudi tables by their logs.

Adopted as they lie they would bring back rows that were deleted, and every old version of those
that were updated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.io.locations import is_below
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.factory import open_place

_DELTA, _HUDI, _ICEBERG = "Delta Lake", "Apache Hudi", "Apache Iceberg"
_LOGS = {"_delta_log": _DELTA, ".hoodie": _HUDI, "metadata": _ICEBERG}
"""The directory of a table's log, below the table's own."""
_HUDI_PARTITION = ".hoodie_partition_metadata"
_ICEBERG_METADATA = (".metadata.json", ".metadata.json.gz")
_NAMES = {"delta": _DELTA, "hudi": _HUDI, "iceberg": _ICEBERG}
_READERS = {
    _DELTA: "deltalake.DeltaTable(…).to_pyarrow_table()",
    _HUDI: 'spark.read.format("hudi").load(…)',
    _ICEBERG: "pyiceberg's table.scan().to_arrow()",
}


def refuse_logged(where: str, paths: Iterable[str]) -> None:
    """Raise an error for a directory that holds the log of such a table.

    Args:
        where: The directory, as a URI.
        paths: The paths of its objects, from it.

    Raises:
        InvalidName: One belongs to a table format's log.

    Example:
        >>> refuse_logged("s3://b/sales", ["day=20161031/part-0.parquet", "metadata/readme.md"])
        >>> log = "_delta_log/00000000000000000000.json"
        >>> refuse_logged("s3://b/sales", [log])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: s3://b/sales is the directory of a table in Delta...
    """
    found = next(filter(None, map(_format_of, paths)), None)
    if found:
        raise _refusal(f"{where} is the directory of a table in {found} format", found)


def refuse_below_logs(near: ObjectStore, places: Iterable[str]) -> None:
    """Raise an error for directories inside of such a table, such as its partitions.

    Credentials may be limited to the warehouse: directories above it are not listed for its own
    directories, and for others only as far as the credentials allow.

    Args:
        near: The warehouse's object store, whose credentials are used.
        places: The directories, as URIs.

    Raises:
        InvalidName: A log lies beside or above one of them.
        WarehouseUnavailable: A directory of the warehouse cannot be listed.
    """

    def check(above: str) -> None:
        store, directory = open_place(above, near)
        base = f"{directory}/" if directory else ""
        for log in _LOGS:
            with nullcontext() if is_below(above, near.uri) else suppress(WarehouseUnavailable):
                refuse_logged(
                    above, (info.path.removeprefix(base) for info in store.list(f"{base}{log}"))
                )

    map_concurrently(
        check,
        sorted({above for place in places for above in _checked_above(place, near.uri)}),
        near.concurrency,
    )


def refuse_format(table: str, format_: str) -> None:
    """Raise an error for a table whose format in the metastore is such a format.

    Args:
        table: The table, for the message.
        format_: The format in the metastore, or empty for plain files.

    Raises:
        InvalidName: It is of a table format.

    Example:
        >>> refuse_format("sales.items", "")
    """
    if format_:
        name = _NAMES[format_]
        raise _refusal(f"the metastore has {table} as a table in {name} format", name)


def _refusal(what: str, name: str) -> InvalidName:
    return InvalidName(
        f"{what}, whose log says which files count: read it with its own reader, {_READERS[name]},"
        " and store the result with store_dataframe"
    )


def _format_of(path: str) -> str | None:
    *steps, name = path.split("/")
    if steps and steps[-1] == "metadata" and name.endswith(_ICEBERG_METADATA):
        return _ICEBERG
    if name == _HUDI_PARTITION:
        return _HUDI
    return next((_LOGS[step] for step in steps if step != "metadata" and step in _LOGS), None)


def _checked_above(place: str, root: str) -> Iterator[str]:
    """Return the directories above one, up to the warehouse's root if it is inside."""
    inside = is_below(place, root)
    return (above for above in _above(place) if not inside or is_below(above, root))


def _above(place: str) -> Iterator[str]:
    """Return the directories above one as URIs, from the store's root."""
    scheme, _, path = place.partition("://")
    steps = path.strip("/").split("/")
    root = f"{scheme}://" if scheme.startswith("s3") else f"{scheme}:///"
    for count in range(1, len(steps)):
        yield root + "/".join(steps[:count])
