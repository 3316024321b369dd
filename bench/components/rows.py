"""The talk's three rows, and the sizes of the corpus beside general formats."""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from scipy import sparse

from airflow_sfx import components
from airflow_sfx.components.sizes import zlib_json
from bench.components.corpus import corpus
from bench.timing import interleaved, summary

OURS = "airflow_sfx"
SLACK = 64


def talk() -> dict[str, tuple[Any, Any]]:
    """Return each row of the talk: the value, and the JSON that the talk compressed."""
    source = np.random.default_rng(20161031)
    cells = np.sort(source.choice(2500 * 2000, 12_492, replace=False))
    dense = np.zeros(2500 * 2000, dtype="i8")
    dense[cells] = 1
    matrix = sparse.csr_matrix((np.ones(len(cells)), np.divmod(cells, 2000)), shape=(2500, 2000))
    flags = source.integers(0, 2, 500)
    weights = source.uniform(-1, 1, 110).round(8)
    scores = source.beta(2, 60, 52_000).round(2)
    lookup = dict(zip(range(1, 52_001), scores.tolist(), strict=True))
    return {
        "sparse 0/1 matrix, 2,500 × 2,000": (matrix, dense.reshape(2500, 2000).tolist()),
        "map of 52,000 ids to scores": (lookup, lookup),
        "vector of 500 flags and 110 weights": (
            np.concatenate([flags, weights]),
            flags.tolist() + weights.tolist(),
        ),
    }


def talk_rows(_: Path, runs: int) -> dict[str, object]:
    """Return sizes and times of the talk's rows."""
    found: dict[str, object] = {}
    for name, (value, plain) in talk().items():
        packed, theirs = components.pack(value), zlib.compress(json.dumps(plain).encode())
        sizes = components.sizes(value).candidates
        seconds = interleaved(
            {
                OURS: lambda packed=packed: components.unpack(packed),
                "zlib + JSON": lambda theirs=theirs: json.loads(zlib.decompress(theirs)),
            },
            runs,
        )
        encoded = interleaved(
            {
                OURS: lambda value=value: components.pack(value),
                "zlib + JSON": lambda plain=plain: zlib.compress(json.dumps(plain).encode()),
            },
            min(runs, 3),
        )
        found[f"component: {name}"] = {
            "bytes": {OURS: len(packed), "zlib + JSON": len(theirs), **sizes},
            "unpack": _precise(seconds),
            "pack": summary(encoded, OURS),
        }
    return found


def _precise(seconds: dict[str, list[float]]) -> dict[str, object]:
    """Return the summary with milliseconds, as an unpack takes less than one."""
    return summary(seconds, OURS) | {
        "milliseconds": {
            name: round(sorted(values)[len(values) // 2] * 1000, 3)
            for name, values in seconds.items()
        }
    }


def general(value: Any) -> dict[str, int]:
    """Return the sizes of a value in general formats."""
    found = {
        "zlib + JSON": len(zlib_json(value)),
        "zstd + pickle": len(_zstd(pickle.dumps(value, protocol=5))),
    }
    if isinstance(value, np.ndarray):
        found["zstd + safetensors"] = len(_zstd(safetensors(value)))
    return found


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(data)


def safetensors(array: np.ndarray) -> bytes:
    """Return an array as a safetensors file: the length of its header, the header, the data."""
    kind = {"f": "F", "i": "I", "u": "U", "b": "BOOL"}.get(array.dtype.kind, "U")
    name = kind if kind == "BOOL" else f"{kind}{array.itemsize * 8}"
    described = {"dtype": name, "shape": list(array.shape), "data_offsets": [0, array.nbytes]}
    header = json.dumps({"value": described}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + array.tobytes()


def corpus_sizes(_: Path) -> dict[str, object]:
    """Return the sizes of the corpus, and how far it is from the smallest general format."""
    rows = {}
    for name, value in corpus().items():
        theirs = general(value)
        rows[name] = {OURS: len(components.pack(value)), **theirs}
    over = {
        name: row[OURS] - min(size for key, size in row.items() if key != OURS)
        for name, row in rows.items()
    }
    return {
        "components of models, bytes": {
            "components": len(rows),
            "largest excess over the smallest general format": max(over.values()),
            "sum": sum(row[OURS] for row in rows.values()),
            "sum of zlib + JSON": sum(row["zlib + JSON"] for row in rows.values()),
            "sum of the smallest general format": sum(
                row[OURS] - over[name] for name, row in rows.items()
            ),
            "rows": rows,
        }
    }
