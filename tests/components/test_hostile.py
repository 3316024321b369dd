"""Bytes that were damaged, or made to harm, are refused; nothing is run, written or exhausted."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from scipy import sparse

import airflow_sfx as sfx
from airflow_sfx import components
from airflow_sfx.components import header
from airflow_sfx.components.containers import small
from tests.components.values import same

SOURCE = np.random.default_rng(0)
VALUES: dict[str, Any] = {
    "vector": np.array([0.25, -1.5, 1e300]),
    "long vector": SOURCE.normal(size=2000),
    "long decimals": SOURCE.normal(size=6000).round(2),
    "bits": SOURCE.random(300) < 0.5,
    "sparse": sparse.random_array((900, 700), density=0.01, rng=0, format="csr"),
    "small sparse": sparse.eye_array(5, format="csc"),
    "map": {"late": 0.25, "on time": 0.75},
    "long map": {int(one): float(one % 7) for one in SOURCE.choice(10**9, 4000, replace=False)},
    "json": {"a": [1, None, {"b": "c"}], "d": [0.5] * 30},
    "table": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "long table": pd.DataFrame({"a": SOURCE.normal(size=900), "b": ["x", None, "z"] * 300}),
}
PACKED = {name: components.pack(value) for name, value in VALUES.items()}


def refused(data: bytes, **options: Any) -> None:
    with pytest.raises(sfx.ModelRefused):
        components.unpack(data, **options)


@pytest.mark.parametrize("name", PACKED)
def test_every_altered_byte_is_noticed(name: str) -> None:
    packed = PACKED[name]
    chosen = random.Random(0)
    places = range(len(packed))
    if len(packed) > 1500:
        ends = {*range(60), *range(len(packed) - 500, len(packed))}
        places = sorted({*ends, *chosen.sample(places, 300)})
    for place in places:
        other = bytearray(packed)
        other[place] ^= chosen.randrange(1, 256)
        refused(bytes(other))


@pytest.mark.parametrize("name", PACKED)
def test_truncated_and_longer_bytes_are_refused(name: str) -> None:
    packed = PACKED[name]
    for length in {*range(0, min(len(packed), 60)), len(packed) // 2, len(packed) - 1}:
        refused(packed[:length])
    refused(packed + b"\0")
    refused(b"\0" + packed)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SFXC",
        b"PAR1",
        b"PAR1PAR1",
        b"PAR1" * 100,
        b"\x80\x05K\x01.",  # a pickle
        b"PK\x03\x04" + b"\0" * 60,
        zlib.compress(b"[1]"),
    ],
)
def test_what_is_not_a_component_is_refused(data: bytes) -> None:
    refused(data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(PACKED)), st.data())
def test_edited_bytes_with_a_right_checksum_are_refused_or_a_value(name: str, data: Any) -> None:
    """As those have who know the format: no other error, no hang, no endless memory."""
    packed = bytearray(PACKED[name])
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 5))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(sfx.ModelRefused):
        components.unpack(resealed(bytes(packed)), limit=1 << 24)


def resealed(data: bytes) -> bytes:
    """Return edited bytes with the checksum that they should have."""
    if data[:4] == small.MAGIC:
        return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")
    found = list(header._SUM_AT.finditer(data))
    if not found:
        return data
    start = found[-1].start(1)
    return header.sealed(data[:start] + b"0" * 8 + data[start + 8 :])


def framed(spec: object, *nodes: object, body: bytes = b"") -> bytes:
    return small.frame(msgspec.msgpack.encode([spec, list(nodes)]), body)


def array(dtype: str, shape: list[int], form: str = "C") -> list[object]:
    return ["a", dtype, shape, form]


def ones(count: int = 0) -> list[object]:
    return ["i", 0, 1, 0, count]


def nested(depth: int) -> list[object]:
    node: list[object] = ones()
    for _ in range(depth):
        node = ["g", 0, node]
    return node


ZEROS = zlib.compressobj(9, wbits=-15)
BOMB = ZEROS.compress(b"\0" * 50_000_000) + ZEROS.flush()
HOSTILE: dict[str, Callable[[], bytes]] = {
    "more cells than memory": lambda: framed(array("<f8", [1 << 40]), ["d", 0, ones()]),
    "cells of zero bytes": lambda: framed(array("|b1", [1 << 47]), ones()),
    "many dimensions": lambda: framed(array("<i8", [1 << 20] * 30), ones()),
    "a negative length": lambda: framed(array("<i8", [-1]), ones()),
    "a length that is text": lambda: framed(array("<i8", ["1"]), ones()),  # type: ignore[list-item]
    "objects": lambda: framed(array("|O", [1]), ones()),
    "a structured type": lambda: framed(array("i4,f8", [1]), ones()),
    "a type of no numbers": lambda: framed(array("<m8[x]", [1]), ones()),
    "texts of endless width": lambda: framed(
        array("<U999999999", [4]), ["t", 0, 0, 0, ["i", 0, 0, 0, 0]]
    ),
    "another kind": lambda: framed(["zzz", 1], ones()),
    "no kind": lambda: framed(None, ones()),
    "no columns": lambda: framed(array("<i8", [3])),
    "steps to no end": lambda: framed(array("<i8", [3]), nested(400)),
    "steps to no end, and deeper": lambda: small.frame(
        b"\x92\x94\xa1a\xa3<i8\x91\x03\xa1C\x91" + b"\x93\xa1g\x00" * 20_000 + b"\xc0", b""
    ),
    "a deflate bomb": lambda: framed(array("<i8", [100]), ["i", 64, 0, 1, len(BOMB)], body=BOMB),
    "a deflate bomb of texts": lambda: framed(
        ["j", [], []], ["t", 1 << 40, 1, len(BOMB), ["i", 0, 1 << 40, 0, 0]], body=BOMB
    ),
    "a size beyond the end": lambda: framed(array("<i8", [3]), ["i", 8, 0, 0, 1 << 40]),
    "bytes that no column has": lambda: framed(array("<i8", [3]), ones(), body=b"x"),
    "positions outside": lambda: framed(array("<i8", [3]), ["s", 1, ["i", 0, 7, 0, 0], ones()]),
    "negative positions": lambda: framed(array("<i8", [3]), ["s", 1, ["i", 0, -1, 0, 0], ones()]),
    "more entries than cells": lambda: framed(array("<i8", [3]), ["s", 9, ones(), ones()]),
    "an index outside": lambda: framed(array("<i8", [3]), ["u", 1, ones(), ones()]),
    "pieces longer than the whole": lambda: framed(array("<i8", [3]), ["m", 4, ones(), ones()]),
    "a decimal of integers": lambda: framed(array("<i8", [3]), ["d", 2, ones()]),
    "integers too wide for their type": lambda: framed(array("|u1", [3]), ["i", 0, 300, 0, 0]),
    "a Parquet column without a file": lambda: framed(array("<i8", [3]), ["c", "value"]),
    "a sparse matrix of endless rows": lambda: framed(
        ["s", [1 << 60, 1], 0, "<f8", "csr", True, True, True], ["i", 0, 0, 0, 0]
    ),
    "a sparse matrix with a cell twice": lambda: framed(
        ["s", [2, 2], 2, "<f8", "csr", True, True, True], ones()
    ),
    "a sparse matrix with a row outside": lambda: framed(
        ["s", [2, 2], 1, "<f8", "csr", True, False, True], ["i", 0, 5, 0, 0], ["i", 0, 0, 0, 0]
    ),
    "a map with a key twice": lambda: framed(["m", 2, "<i8", "<i8", True, True], ones(), ones()),
    "a map of endless keys": lambda: framed(
        ["m", 1 << 40, "<i8", "<i8", True, True], ["g", 0, ones()], ones()
    ),
    "JSON that is not": lambda: document(b"{"),
    "JSON of many levels": lambda: document(b"[" * 50_000 + b"]" * 50_000),
    "JSON of many objects": lambda: document(b"[" + b"{}," * 3_000_000 + b"{}]"),
    "JSON that is not UTF-8": lambda: document(b'"\xff"'),
    "JSON with a number of endless digits": lambda: document(b"1" * 100_000),
    "JSON that names no column": lambda: document(
        b'{"\\u0000sfx":7}', [array("<i8", [1], "l")], ones()
    ),
    "a list of many lists": lambda: document(
        b"[" + b",".join(b'{"\\u0000sfx":%d}' % one for one in range(99)) + b"]",
        [array("<i8", [900_000], "l")] * 99,
        *([ones()] * 99),
    ),
    "a table without a schema": lambda: framed(
        ["t", 1, [[False, -1]], False], ["t", 1, 0, 1, ["i", 0, 1, 0, 0]], ones(), body=b"x"
    ),
    "a table without its file": lambda: framed(["t", 1, [], False]),
    "a pco column that is not": lambda: framed(array("<i8", [3]), ["x", 4], body=b"abcd"),
}


def document(text: bytes, lists: list[object] | None = None, *nodes: object) -> bytes:
    size = len(text)
    first = ["t", size, 0, size, ["i", 0, size, 0, 0]]
    return framed(["j", lists or [], []], first, *nodes, body=text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_component_that_was_made_to_harm_is_refused(name: str) -> None:
    data = resealed(HOSTILE[name]())
    refused(data, limit=1 << 26)


def test_a_refusal_runs_no_process_writes_no_file_and_stays_within_the_limit(tmp_path) -> None:
    """All hostile bytes in one process that can do neither, with 1 GiB of address space."""
    for number, make in enumerate(HOSTILE.values()):
        (tmp_path / f"{number}.bin").write_bytes(resealed(make()))
    code = (
        "import pathlib, resource, sys\n"
        "import numpy, pyarrow.parquet, pandas, pcodec, scipy.sparse\n"
        "from airflow_sfx import components, ModelRefused\n"
        "files = [path.read_bytes() for path in sorted(pathlib.Path(sys.argv[1]).glob('*.bin'))]\n"
        "for data in (b'', files[0]):\n"
        "    try: components.unpack(data)\n"
        "    except ModelRefused: pass\n"
        "now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (now + (1 << 30),) * 2)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))\n"
        "refused = 0\n"
        "for data in files:\n"
        "    try: components.unpack(data, limit=1 << 26)\n"
        "    except ModelRefused: refused += 1\n"
        "print(refused)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == str(len(HOSTILE)), done.stderr[-2000:]
    assert len(list(tmp_path.iterdir())) == len(HOSTILE)


def test_the_limit_is_named_and_can_be_raised() -> None:
    value = np.zeros(1_000_000)
    packed = components.pack(value)
    assert len(packed) < 100
    with pytest.raises(sfx.ModelRefused, match="limit=1000000 bytes"):
        components.unpack(packed, limit=1_000_000)
    assert same(value, components.unpack(packed, limit=10_000_000))


def test_a_table_that_would_fill_the_memory_is_refused() -> None:
    frame = pd.DataFrame({"text": ["x" * 10_000, "y" * 10_000] * 40_000})
    packed = components.pack(frame)
    assert len(packed) < 100_000
    with pytest.raises(sfx.ModelRefused, match="limit="):
        components.unpack(packed, limit=1 << 28)


def test_a_missing_extra_is_named() -> None:
    value = SOURCE.integers(0, 1 << 20, 3000) / 3
    packed = components.pack(value, pco=True)
    assert components.describe(packed).codec.endswith("+pco")
    assert same(value, components.unpack(packed))
    code = (
        "import sys; sys.modules['pcodec'] = None\n"
        "from airflow_sfx import components\n"
        "components.unpack(sys.stdin.buffer.read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=packed, capture_output=True, check=False
    )
    assert b"ModelRefused" in done.stderr
    assert b"pip install 'airflow-sfx[pco]'" in done.stderr
