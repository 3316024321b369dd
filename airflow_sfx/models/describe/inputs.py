"""The batches that a model was trained on, by role."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.paths import MANIFEST
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import Count, Record, compact, decode, decoding

if TYPE_CHECKING:
    from airflow_sfx.storage.base import ObjectStore

PINS = "data/pins.json"


@dataclass(frozen=True, slots=True)
class Input:
    """The batches of one role.

    Args:
        role: What they were for: ``train``, ``validate`` or ``test``.
        pin: The batches.
        manifests: The SHA-256 of each batch's manifest, by partition.
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

    root = pin.location.removeprefix(f"{store.uri}/")

    def digest(entry: tuple[str, str]) -> str:
        name, batch_id = entry
        path = "/".join(filter(None, (root, name, batch_id, MANIFEST)))
        data = store.get(path)
        if data is None:
            raise BatchNotFound(
                f"{pin} has no manifest at {path}: train on batches that exist, as sfx.pin names"
                " them",
                table=str(pin.ref),
                partition=name,
                batch_id=batch_id,
            )
        return hashlib.sha256(data).hexdigest()

    found = map_concurrently(digest, pin.entries, store.concurrency)
    names = [name for name, _ in pin.entries]
    return Input(role, pin, dict(zip(names, found, strict=True)), rows)


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
