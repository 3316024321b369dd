"""Bodies about holds."""

from __future__ import annotations

from pydantic import BaseModel

from airflow_sfx.plugin.web.documents.batches import HoldDocument
from airflow_sfx.plugin.web.documents.tables import ProducerDocument


class HeldDocument(HoldDocument):
    """A hold in force, with what it holds.

    Args:
        name: The name of the hold.
        at: When it began.
        until: When it ends, or null for never.
        reason: The reason given.
        number: The newest version of the name's holds; a release ends them all.
        table: The table, as `database.table`.
        total: Number of held batches.
        batches: The batch of each partition, of some partitions if there are many.
        producer: Who holds.
    """

    number: int
    table: str
    total: int
    batches: dict[str, str]
    producer: ProducerDocument


class HoldPage(BaseModel):
    """A page of the holds in force, newest first.

    Args:
        total: Number of holds that match.
        holds: The holds on this page.
    """

    total: int
    holds: list[HeldDocument]


class Released(BaseModel):
    """The result of a release.

    Args:
        table: The table.
        name: The name of the hold.
    """

    table: str
    name: str
