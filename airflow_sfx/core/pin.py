"""Pins: one exact batch of each of some partitions of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.serde import Record, encode, parse
from airflow_sfx.core.table import TableRef

VERSION = 1


_NO_ENTRIES = (
    "is not an entry of a pin: pass a tuple of pairs of a partition's name and a batch ID, or use"
    " BatchPin.of(…)"
)


@dataclass(frozen=True, slots=True)
class BatchPin:
    """Exactly one batch of each of some partitions of one table.

    A pin is frozen, hashable and small; it crosses XCom, and becomes text by `to_json` and
    `from_json`. Batches never change, so loading a pin always returns the same rows. A frame
    without rows that was to be divided into partitions has a pin without batches.

    Args:
        database: The database's name.
        table: The table's name.
        location: The table's directory as a URI without secrets; each batch's manifest is at
            ``location/_sfx/batches/BATCH_ID/manifest``.
        entries: The partitions' names with their batch IDs, sorted by name; `of` accepts a
            mapping.

    Raises:
        InvalidName: A name or a batch ID breaks its rule.

    Example:
        >>> items, batches = TableRef("sales", "sold_items"), {"20161031": "20161101002256"}
        >>> pin = BatchPin.of(items, "s3://b/sales.db/sold_items", batches)
        >>> pin.batch_id, pin == BatchPin.from_json(pin.to_json())
        ('20161101002256', True)
    """

    database: str
    table: str
    location: str
    entries: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        TableRef(self.database, self.table)
        if not isinstance(self.location, str):
            raise InvalidName(
                f"the location {self.location!r:.80} of a pin is not text: pass the table's"
                " directory as a URI"
            )
        if not isinstance(self.entries, tuple):
            raise InvalidName(f"{self.entries!r:.80} {_NO_ENTRIES}")
        for entry in self.entries:
            if not isinstance(entry, tuple) or len(entry) != 2 or not isinstance(entry[0], str):  # noqa: PLR2004
                raise InvalidName(f"{entry!r:.80} {_NO_ENTRIES}")
            name, batch_id = entry
            check_batch_id(batch_id)
            if any(step in ("..", ".") for step in name.split("/")) or name.startswith("/"):
                raise InvalidName(
                    f"{name!r} in a pin of {self.database}.{self.table} is not a partition's name"
                )

    if not TYPE_CHECKING:  # for type checkers, a pin has its own attributes only

        def __getattr__(self, name: str) -> object:
            """Name what a pin is to code that uses it as a DataFrame."""
            raise AttributeError(
                f"a BatchPin has no attribute {name!r}: it names batches and has no rows. Load them"
                " with sfx.load_dataframe(pin), or annotate the parameter of the task as a"
                " DataFrame",
                name=name,
                obj=self,
            )

    @classmethod
    def of(cls, ref: TableRef, location: str, batches: Mapping[str, str]) -> BatchPin:
        """Create a pin.

        Args:
            ref: The table.
            location: The table's directory as a URI.
            batches: Partition names with batch IDs.

        Returns:
            The pin.

        Raises:
            InvalidName: A partition's name or a batch ID breaks its rule.

        Example:
            >>> items = TableRef("sales", "items")
            >>> batches = {"20161031": "20161101002256"}
            >>> str(BatchPin.of(items, "s3://bucket/sales.db/items", batches))
            'sales.items 20161031@20161101002256'
        """
        if not isinstance(ref, TableRef):
            raise InvalidName(f"{ref!r:.80} is not a TableRef: pass sfx.TableRef(database, table)")
        if not isinstance(batches, Mapping):
            raise InvalidName(
                f"batches={batches!r:.80} does not map partitions to batch IDs: pass a dictionary"
            )
        try:
            entries = tuple(sorted(batches.items()))
        except TypeError as error:
            raise InvalidName(
                f"{batches!r:.80} has partitions that are not text: pass their names"
            ) from error
        return cls(ref.database, ref.table, location, entries)

    @property
    def ref(self) -> TableRef:
        """The table."""
        return TableRef(self.database, self.table)

    @property
    def batches(self) -> dict[str, str]:
        """The batch IDs by partition name."""
        return dict(self.entries)

    @property
    def batch_id(self) -> str:
        """The batch ID that all partitions of the pin share.

        Raises:
            InvalidName: They have different ones; use `batches`.
        """
        found = sorted({batch_id for _, batch_id in self.entries})
        if len(found) != 1:
            raise InvalidName(
                f"this pin of {self.database}.{self.table} holds {len(found)} different batch IDs:"
                " use pin.batches"
            )
        return found[0]

    def to_json(self) -> str:
        """Encode the pin as one line of JSON.

        Returns:
            The text.

        Example:
            >>> entries = (("20161031", "20161101002256"),)
            >>> BatchPin("sales", "items", "s3://b/sales.db/items", entries).to_json()[:46]
            '{"version":1,"database":"sales","table":"items'
        """
        return encode(
            {
                "version": VERSION,
                "database": self.database,
                "table": self.table,
                "location": self.location,
                "batches": self.batches,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> BatchPin:
        """Decode a pin of any origin, and check every name in it.

        Args:
            text: The text that `to_json` returned.

        Returns:
            The pin.

        Raises:
            InvalidName: It is not the JSON of a pin or is of a later version, or a name in it
                breaks its rule.

        Example:
            >>> entries = (("20161031", "20161101002256"),)
            >>> pin = BatchPin("sales", "items", "s3://b/sales.db/items", entries)
            >>> BatchPin.from_json(pin.to_json()) == pin
            True
        """
        try:
            version = parse(text, _Version).version
            record = parse(text, _PinRecord) if version == VERSION else None
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidName(
                f"{text!r:.120} is not a pin ({error}): pass what BatchPin.to_json wrote"
            ) from error
        if record is None:
            raise InvalidName(
                f"{text!r:.120} is a pin of version {version!r} and this package reads version"
                f" {VERSION}: install the later airflow_sfx that wrote it"
            )
        entries = tuple(sorted(record.batches.items()))
        return cls(record.database, record.table, record.location, entries)

    def _repr_html_(self) -> str:
        """Return the batches as a table for a notebook."""
        count = len(self.entries)
        title = f"{self.ref}: {count:,} batch{'' if count == 1 else 'es'}"
        from airflow_sfx.core.io.html import html_table  # no DAG file shows pins

        return html_table(title, [(name or "(whole table)", batch) for name, batch in self.entries])

    def __str__(self) -> str:
        shown = ", ".join(
            f"{name or '(whole table)'}@{batch_id}" for name, batch_id in self.entries[:3]
        )
        more = f" and {len(self.entries) - 3} more" if len(self.entries) > 3 else ""  # noqa: PLR2004
        return f"{self.database}.{self.table} {shown}{more}"


class _Version(Record):
    version: Any = VERSION


class _PinRecord(Record):
    database: str
    table: str
    location: str
    batches: dict[str, str]
