"""The artifact: the same bytes for the same content, and nothing else is read."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.artifact.reader import read_artifact, read_first
from airflow_sfx.models.artifact.writer import _strategy, write_artifact
from tests.models.hostile import GOOD, hostile_artifacts

READ = """
import sys, zipfile
sys.modules["pickle"] = None
made = []
def watch(event, arguments):
    mode = arguments[1] if event == "open" else None
    writes = isinstance(mode, str) and set(mode) & set("wax+")
    if writes or event.startswith(("subprocess", "socket", "os.exec", "os.fork", "os.mkdir")):
        made.append((event, arguments))
from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.artifact.reader import read_artifact
wrong = []
sys.addaudithook(watch)
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in archive.namelist():
        try:
            read_artifact(archive.read(name), name)
        except ModelRefused as error:
            assert str(error).startswith(name), error
            continue
        wrong.append(name)
print(len(archive.namelist()), wrong, made)
"""


def test_the_same_content_has_the_same_bytes() -> None:
    other_order = dict(sorted(GOOD.items(), reverse=True))
    assert write_artifact(GOOD) == write_artifact(other_order)
    assert read_artifact(write_artifact(GOOD), "x") == GOOD


def test_large_weights_are_packed_without_a_search_and_as_small() -> None:
    chance = np.random.default_rng(0)
    weights = chance.standard_normal(600_000).astype("f4").tobytes()
    trees = b"".join(b"%d,%d;" % (n % 97, n % 31) for n in range(400_000))
    for content, searched in ((weights, False), (trees, True)):
        packed = write_artifact({**GOOD, "model/components/weights.packed": content})
        assert read_artifact(packed, "x")["model/components/weights.packed"] == content
        assert len(packed) < len(zlib.compress(content, 9)) * 1.01 + 4000
        assert _strategy(content) == (zlib.Z_DEFAULT_STRATEGY if searched else zlib.Z_HUFFMAN_ONLY)


def test_any_unzip_reads_it() -> None:
    with zipfile.ZipFile(io.BytesIO(write_artifact(GOOD))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert (names[0], names[-1]) == ("MODEL.json", "SHA256SUMS")
        assert {name: archive.read(name) for name in GOOD} == GOOD


def test_its_first_entry_is_read_from_its_first_bytes() -> None:
    artifact = write_artifact(GOOD)
    assert read_first(artifact[:200], "x") == GOOD["MODEL.json"]
    for other in (b"", artifact[1:], artifact[:40]):
        with pytest.raises(ModelRefused):
            read_first(other, "x")


def test_hostile_artifacts_are_refused_with_nothing_run_or_created(tmp_path: Path) -> None:
    payload, corpus = tmp_path / "executed", tmp_path / "corpus.zip"
    with zipfile.ZipFile(corpus, "w") as archive:
        for what, data in hostile_artifacts(payload):
            archive.writestr(what.replace("/", "|"), data)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(corpus)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    count, _, rest = done.stdout.strip().partition(" ")
    assert rest == "[] []"
    assert int(count) >= 50
    assert not payload.exists()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("a bomb", "zip bomb"),
        ("external data of ONNX", "other files"),
        ("a symbolic link", "not a regular file"),
        ("an entry named ../evil.py", "'../evil.py', which is not a plain path"),
        ("an entry twice in another case", "several entries"),
        ("an entry without a sum", "does not list exactly"),
        ("a pickle in another place", "no part of a model"),
        ("a pickle as metrics.json", "not json"),
        ("two headers that differ", "differs from the directory"),
        ("data after it", "does not end"),
    ],
)
def test_an_error_names_what_is_wrong(what: str, says: str, tmp_path: Path) -> None:
    hostile = dict(hostile_artifacts(tmp_path / "never"))
    with pytest.raises(ModelRefused, match=says) as caught:
        read_artifact(hostile[what], "delays.zip")
    assert str(caught.value).startswith("delays.zip")


def test_each_byte_counts() -> None:
    artifact = write_artifact(GOOD)
    for place in range(0, len(artifact), 7):
        altered = bytearray(artifact)
        altered[place] ^= 0x41
        with pytest.raises(ModelRefused):
            read_artifact(bytes(altered), "x")
