"""The batches that a model was trained on, by role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import Count, Record, compact, decode, decoding
from airflow_sfx.core.stored.call_manifest import manifest_digest

if TYPE_CHECKING:
    from airflow_sfx.storage.base import ObjectStore

PINS = "data/pins.json"


@dataclass(frozen=True, slots=True)
class Input:
    """The batches of one role.

    Args:
        role: What they were for: ``train``, ``validate`` or ``test``.
        pin: The batches.
        manifests: The SHA-256 of what each batch's manifest says, by partition.
        rows: How many rows they have; 0 if unknown.
    """

    role: str
    pin: BatchPin
    manifests: Mapping[str, str]
    rows: int

    @property
    def uris(self) -> list[str]:
        """The batches as URIs: ``sfx://sales/sold_items/20161031@20161101002256``."""
        return [
            f"sfx://{self.pin.database}/{self.pin.table}/{name}@{batch_id}"
            for name, batch_id in self.pin.entries
        ]


def read_input(store: ObjectStore, role: str, pin: BatchPin, rows: int) -> Input:
    """Return the batches of a role, with the digests of their manifests.

    Args:
        store: The warehouse's object store.
        role: The role.
        pin: The batches.
        rows: How many rows they have.

    Raises:
        BatchNotFound: A manifest does not exist.
    """
    from airflow_sfx.storage.concurrency import map_concurrently
    from airflow_sfx.warehouse.table.manifests import open_call

    layout = TableLayout(pin.location.removeprefix(f"{store.uri}/"), ())

    def digests(batch_id: str) -> dict[str, str]:
        names = [name for name, one in pin.entries if one == batch_id]
        call = open_call(store, layout, batch_id)
        found = call.find(names) if call else {}
        for name in names:
            if name not in found:
                raise BatchNotFound(
                    f"{pin} has no manifest at {layout.manifest(batch_id)}: train on batches that"
                    " exist, as sfx.pin names them",
                    table=str(pin.ref),
                    partition=name,
                    batch_id=batch_id,
                )
        return {name: manifest_digest(found[name]) for name in names}

    ids = sorted({batch_id for _, batch_id in pin.entries})
    found = {
        name: digest
        for some in map_concurrently(digests, ids, store.concurrency)
        for name, digest in some.items()
    }
    return Input(role, pin, {name: found[name] for name, _ in pin.entries}, rows)


def to_json(inputs: Sequence[Input]) -> bytes:
    """Return ``data/pins.json``."""
    return compact(
        [
            {
                "role": one.role,
                "pin": one.pin.to_json(),
                "manifests": dict(one.manifests),
                "rows": one.rows,
            }
            for one in inputs
        ]
    ).encode()


def from_json(content: bytes, where: str) -> list[Input]:
    """Return the inputs that ``data/pins.json`` has.

    Raises:
        InconsistentBatch: It breaks a rule of its format.
    """
    what = f"{where}: {PINS}"
    records = decode(content, tuple[_InputRecord, ...], what)
    with decoding(what):
        return [
            Input(one.role, BatchPin.from_json(one.pin), one.manifests, one.rows) for one in records
        ]


class _InputRecord(Record):
    role: str
    pin: str
    manifests: dict[str, str]
    rows: Count
