"""An attacker who may write a table's objects and nothing else.

The attacker overwrites objects and forges manifests and entries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import obstore

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.stored.call_manifest import CallManifest, manifests_to_bytes
from airflow_sfx.core.stored.log_entry import StoredEntry, entry_to_bytes
from airflow_sfx.warehouse.warehouse import Warehouse


def overwrite(warehouse: Warehouse, path: str, data: bytes) -> None:
    """Put an object, whatever is there."""
    local = warehouse.store.local_path(path)
    if local is None:
        obstore.put(warehouse.store._backend, path, data)
        return
    Path(local).parent.mkdir(parents=True, exist_ok=True)
    Path(local).write_bytes(data)


def below_table(pin: sfx.BatchPin, path: str) -> str:
    return f"{pin.database}.db/{pin.table}/{path}"


def forge_manifest(warehouse: Warehouse, pin: sfx.BatchPin, **changes: Any) -> None:
    """Give a pin's only batch another manifest, whose checksum fits."""
    ((name, batch_id),) = pin.entries
    path = below_table(pin, f"_sfx/batches/{batch_id}/manifest")
    call = CallManifest.open(partial(warehouse.store.view_part, path), path)
    assert call is not None
    others = [one for one in call.all() if one.partition != name]
    forged = replace(call.find([name])[name], **changes)
    if forged.batch_id != batch_id or forged.ref != call.ref:
        others = []  # they have this in common
    overwrite(warehouse, path, manifests_to_bytes([forged, *others]))


def forge_entry(
    warehouse: Warehouse,
    pin: sfx.BatchPin,
    version: int,
    change: Callable[[dict[str, Any]], None],
    *,
    after: int = 0,
) -> None:
    """Change an entry of a table's log of one partition, or add one like that of another number."""
    path = below_table(pin, f"_sfx/log/00000000/{after or version:010d}.json")
    known = StoredEntry.open(partial(warehouse.store.view_part, path), path)
    assert known is not None
    (entry,) = known.all()
    members = {one.name: getattr(entry, one.name) for one in fields(entry)}
    change(members)
    header = replace(known.header, version=version)
    forged = entry_to_bytes(header, [LogEntry(**members)])
    overwrite(warehouse, below_table(pin, f"_sfx/log/00000000/{version:010d}.json"), forged)
