"""Fuzzed objects: each read raises an error of this package, soon.

The error is about that table only.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import zlib
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.core.stored.blocks import _digest
from airflow_sfx.frames.schema.codec import schema_from_text
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.table import table_log
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.forging import forge_manifest

NONE = timedelta(0)
NIGHT = sfx.Producer(dag_id="nightly", run_id="r1", task_id="load", try_number=1)
DAYS = [f"201610{number:02d}" for number in range(1, 18)]

CALLS: dict[str, Callable[[Warehouse, sfx.BatchPin, sfx.BatchPin], object]] = {
    "load": lambda w, old, new: w.load_dataframe("sales", "items"),
    "load a pin": lambda w, old, new: w.load_dataframe(old),
    "as of": lambda w, old, new: w.load_dataframe("sales", "items", as_of=datetime.now(UTC)),
    "show": lambda w, old, new: w.show("sales", "items"),
    "overview": lambda w, old, new: w.overview("sales", "items").partitions(DAYS[:2]),
    "history": lambda w, old, new: w.history("sales", "items", limit=None),
    "history of one": lambda w, old, new: w.history("sales", "items", [DAYS[0]], limit=None),
    "audit": lambda w, old, new: w.audit("sales", "items"),
    "audit newest": lambda w, old, new: w.audit("sales", "items", foreign=False, limit=2),
    "audit commits": lambda w, old, new: w.audit("sales", "items", by_commit=True),
    "plan an undo": lambda w, old, new: w.rollback_run(
        dag_id="nightly", run_id="r1", attempt="last", dry_run=True
    ),
    "night": lambda w, old, new: w.night(),
    "audit run": lambda w, old, new: w.audit_run(dag_id="nightly", run_id="r1"),
    "diff": lambda w, old, new: w.diff(old, new),
    "verify": lambda w, old, new: w.verify(new),
    "manifests": lambda w, old, new: w.manifests(new),
    "sql": lambda w, old, new: w.pinned_table_sql(new, "scratch.items"),
    "holding": lambda w, old, new: w.holding("sales", "items"),
    "readers": lambda w, old, new: w.readers(old),
    "retain": lambda w, old, new: w.retain("sales", "items", keep_last=1, older_than=NONE),
    "erase": lambda w, old, new: w.erase("sales", "items", where="n = 1"),
}
KINDS = {
    "manifest": "sales.db/items/_sfx/batches/*/manifest",
    "entry": "sales.db/items/_sfx/log/*/*.json",
    "checkpoint": "sales.db/items/_sfx/checkpoints/*.json",
    "pin": "sales.db/items/_sfx/pins/*/*.json",
    "staged": "sales.db/items/_sfx/staged/*.json",
    "retired": "sales.db/items/_sfx/retired/*/*.json",
    "readers": "_sfx/readers/*/*/*.json",
    "runs": "_sfx/runs/*/*/*.json",
    "events": "_sfx/events/*/*.json",
    "consumed": "sales.db/items/_sfx/consumed/*/*/*.json",
}


@lru_cache(maxsize=1)
def made() -> tuple[Warehouse, sfx.BatchPin, sfx.BatchPin]:
    """A table with every kind of object, and another one beside it."""
    warehouse = connect(f"embedded://{tempfile.mkdtemp()}")
    frame = pd.DataFrame(
        {"day": DAYS, "n": range(len(DAYS)), "kind": pd.Categorical(["a", "b"] * 8 + ["c"])}
    )
    store = lambda data, **more: warehouse.store_dataframe(  # noqa: E731
        data, "sales", "items", partition_by=["day"], **more
    )
    oldest = store(frame, producer=NIGHT)
    old = store(frame.assign(n=1), producer=NIGHT, inputs=[oldest])
    warehouse.hold(old, name="report", until=None)
    store(frame.head(2), publish=False)
    warehouse.retain("sales", "items", keep_last=1, older_than=NONE, dry_run=False)
    for _ in range(4):
        with patch.object(table_log, "_MOST_RECENT", len(DAYS)):
            new = store(frame.assign(n=2), inputs=[old])
    warehouse.take(new, consumer="mart", run="r1")
    warehouse.store_dataframe(frame, "sales", "others", partition_by=["day"])
    assert all(objects(warehouse, kind) for kind in KINDS)
    return warehouse, old, new


def objects(warehouse: Warehouse, kind: str) -> list[Path]:
    return sorted(Path(warehouse.uri.removeprefix("embedded://")).glob(KINDS[kind]))


BOMB = gzip.compress(b" " * (64 << 20), 9)
GARBAGE = [
    None,
    True,
    0,
    -1,
    1 << 63,
    10**400,
    1.5,
    float("nan"),
    "",
    "..",
    "x" * 300,
    "\ud800",
    [],
    [[]],
    {},
    {"x": 1},
]


def edited(data: Any, draw: st.DrawFn) -> Any:
    """Return a JSON value with one member, at any depth, replaced, removed or doubled."""
    if isinstance(data, dict) and data and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(data)))
        return {**data, name: edited(data[name], draw)}
    if isinstance(data, dict) and data:
        name = draw(st.sampled_from(sorted(data)))
        return {one: value for one, value in data.items() if one != name}
    if isinstance(data, list) and data and draw(st.booleans()):
        place = draw(st.integers(0, len(data) - 1))
        return [*data[:place], edited(data[place], draw), *data[place + 1 :]]
    if isinstance(data, int) and draw(st.booleans()):
        return data + draw(st.sampled_from([-1, 1, 1 << 40]))
    if isinstance(data, str) and data and draw(st.booleans()):
        place = draw(st.integers(0, len(data) - 1))
        return data[:place] + draw(st.sampled_from(["\0", "/", "%", "é", "9"])) + data[place + 1 :]
    return draw(st.sampled_from(GARBAGE))


@st.composite
def damage(draw: st.DrawFn, kind: str, content: bytes) -> bytes:
    """Draw the damaged content of an object."""
    packed = kind == "entries"
    how = draw(st.sampled_from(["cut", "bits", "json", "json", "json", "deep", "bomb", "empty"]))
    if how == "cut":
        return content[: draw(st.integers(0, len(content) - 1))]
    if how == "bits":
        place = draw(st.integers(0, len(content) - 1))
        return (
            content[:place]
            + bytes([content[place] ^ draw(st.integers(1, 255))])
            + content[place + 1 :]
        )
    if how == "empty":
        return draw(
            st.sampled_from(
                [b"", b"null", b"[]", b"{}", b"0", b'""', b"NaN", b"\xff\xfe", gzip.compress(b"")]
            )
        )
    if how == "bomb":
        return BOMB
    if how == "deep":
        text = draw(
            st.sampled_from(['{"a":' * 100_000, "[" * 100_000, '{"partition":' + "[" * 100_000])
        )
        return gzip.compress(text.encode()) if packed else text.encode()
    return _edited_text(draw, kind, content)


def _edited_text(draw: st.DrawFn, kind: str, content: bytes) -> bytes:
    if kind == "entries":
        lines = gzip.decompress(content).decode().splitlines()
        place = draw(st.integers(0, len(lines) - 1))
        lines[place] = json.dumps(edited(json.loads(lines[place]), draw))
        return gzip.compress("\n".join(lines).encode(errors="surrogatepass"))
    if kind in ("manifest", "entry", "checkpoint"):
        header, *lines = content.decode().splitlines()
        members = json.loads(header)
        del members["blocks"], members["checksum"]
        return _in_blocks(
            edited([members, [one for line in lines for one in json.loads(line)]], draw)
        )
    text = json.dumps(edited(json.loads(content), draw), separators=(",", ":"))
    return text.encode(errors="surrogatepass")


def _in_blocks(data: Any) -> bytes:
    """Return an object of blocks whose checksums fit, of any header and records."""
    match data:
        case [dict(members), records]:
            pass
        case _:
            members, records = {}, data
    match records:
        case [[str(first), *_], *_]:
            pass
        case _:
            first = ""
    line = json.dumps(records).encode(errors="surrogatepass")
    header = {**members, "blocks": [[first, 0, len(line), _digest(line)]]}
    body = json.dumps(header, separators=(",", ":")).encode(errors="surrogatepass")[:-1]
    return b'%b,"checksum":"%b"}\n%b\n' % (body, _digest(body).encode(), line)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(draws=st.data())
def test_only_errors_of_this_package_come_of_a_damaged_object(
    kind: str, draws: st.DataObject
) -> None:
    warehouse, old, new = made()
    paths = objects(warehouse, kind)
    path = draws.draw(st.sampled_from(paths))
    call = draws.draw(st.sampled_from(sorted(CALLS)))
    content = path.read_bytes()
    path.write_bytes(draws.draw(damage(kind, content)))
    try:
        CALLS[call](warehouse, old, new)
    except sfx.SfxError as error:
        assert not isinstance(error, sfx.WarehouseUnavailable), "it is damage, and storage is well"
    finally:
        path.write_bytes(content)
    assert len(warehouse.load_dataframe("sales", "others")) == len(DAYS)


def test_a_damaged_table_hides_no_other_one(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}")
    for table in ("items", "others"):
        warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", table, ["a"])
    (entry,) = (tmp_path / "sales.db/items/_sfx/log").glob("*/*.json")
    entry.write_text('{"changes":[["a",' + "9" * 5000 + "]]}")
    done = subprocess.run(
        [sys.executable, "-m", "airflow_sfx.cli", "audit"],
        env={
            "SFX_WAREHOUSE": warehouse.uri,
            "PATH": "",
            "PYTHONPATH": str(Path(sfx.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "sales.others" in done.stdout
    assert "sales.items" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_packed_is_bounded_before_it_is_unpacked(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}")
    pin = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "items", ["a"])
    bomb = zlib.compress(bytes(400 << 20), 9)
    assert len(bomb) < 500_000
    forge_manifest(warehouse, pin, schema=f"z:{b64encode(bomb).decode()}")
    schema_from_text.cache_clear()
    with pytest.raises(sfx.InconsistentBatch, match="decompress to more than"):
        warehouse.load_dataframe(pin)


SCARCE = """
import resource, sys
import pandas as pd
import pyarrow.dataset, pyarrow.parquet
import airflow_sfx as sfx
warehouse = sfx.connect(sys.argv[1])
warehouse.load_dataframe("sales", "items")
held = []
if sys.argv[2] == "descriptors":
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            held.append(open("/dev/null"))
    except OSError:
        held.pop().close()
else:
    pages = int(open("/proc/self/statm").read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * 4096 + (3 << 20),) * 2)
try:
    warehouse.load_dataframe("sales", "items")
except (sfx.WarehouseUnavailable, MemoryError) as error:
    held.clear()
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("what", "words"),
    [("descriptors", "open file|files open"), ("memory", "(?i)memory|thread|alloc")],
)
def test_what_the_system_lacks_is_no_damage(tmp_path, what, words) -> None:
    warehouse = connect(f"embedded://{tmp_path}")
    for day in DAYS[:3]:
        frame = pd.DataFrame(
            {"n": pd.Series(range(400_000)).sample(frac=1, random_state=1).to_numpy()}
        )
        warehouse.store_dataframe(frame, "sales", "items", [day])
    done = subprocess.run(
        [sys.executable, "-c", SCARCE, warehouse.uri, what],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(("WarehouseUnavailable", "MemoryError"))
    assert pd.Series([done.stdout]).str.contains(words).all(), done.stdout
