"""An attacker who may write a table's objects and nothing else.

The attacker overwrites objects and forges manifests and entries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import obstore

import airflow_sfx as sfx
from airflow_sfx.core.manifest import Manifest
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
    path = below_table(pin, f"{name}/{batch_id}/_manifest.json".lstrip("/"))
    known = Manifest.from_text((warehouse.store.get(path) or b"").decode(), path)
    overwrite(warehouse, path, replace(known, **changes).to_text().encode())


def forge_entry(
    warehouse: Warehouse,
    pin: sfx.BatchPin,
    sequence: int,
    change: Callable[[dict[str, Any]], None],
    *,
    after: int = 0,
) -> None:
    """Change an entry of a partition's ledger, or add one like the one of another number."""
    ((name, _),) = pin.entries
    path = below_table(pin, "_sfx/ledger/" + (name or "_table") + "/{:012d}.json")
    entry = json.loads(warehouse.store.get(path.format(after or sequence)) or b"")
    change(entry)
    overwrite(warehouse, path.format(sequence), json.dumps(entry).encode())
