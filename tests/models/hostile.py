"""Zip files that are not artifacts, made from one that is."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from airflow_sfx.models.artifact.writer import CENTRAL, END, LOCAL, write_artifact

GOOD = {
    "MODEL.json": b'{"format":"sfx-model/1"}',
    "CARD.md": b"# Delays\n" * 40,
    "code/train.py": b"print('trained')\n",
    "data/profile.parquet": b"PAR1....PAR1",
    "metrics.json": b'{"auc":0.75}',
    "model/model.onnx": b"\x08\x09\x3a\x00",
    "model/native/model.skops": b"PK\x03\x04 an archive of arrays",
    "model/native/model.ubj": b"{L",
}


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def rezip(entries: list[tuple[str, bytes]], *, sums: bool = True) -> bytes:
    """Zip entries in their order with right sums, without looking at what they are."""
    contents = list(entries)
    if sums:
        lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in entries)
        contents.append(("SHA256SUMS", lines.encode()))
    body, directory = bytearray(), bytearray()
    for name, content in contents:
        path = name.encode("utf-8", "surrogatepass")
        sizes = (zlib.crc32(content), len(content), len(content), len(path))
        directory += CENTRAL.pack(
            b"PK\x01\x02", 788, 20, 0, 0, 0, 33, *sizes, 0, 0, 0, 0, 0o100644 << 16, len(body)
        )
        directory += path
        body += LOCAL.pack(b"PK\x03\x04", 20, 0, 0, 0, 33, *sizes, 0) + path + content
    count = len(contents)
    return bytes(
        body + directory + END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    )


def with_entry(name: str, content: bytes) -> bytes:
    """Return the good artifact with one more entry, or another content of one, and right sums."""
    entries = {**GOOD, name: content}
    return rezip(sorted(entries.items(), key=lambda item: (item[0] != "MODEL.json", item[0])))


def patched(artifact: bytes, place: int, new: bytes) -> bytes:
    """Return bytes with some of them replaced."""
    return artifact[:place] + new + artifact[place + len(new) :]


def central(artifact: bytes, name: str) -> int:
    """Return the offset of an entry's record in the directory."""
    offset = END.unpack(artifact[-END.size :])[6]
    return artifact.index(name.encode(), offset) - CENTRAL.size


def ordinary_zip(mode: int = 0o600, comment: bytes = b"", date: int = 1980) -> bytes:
    """Return the good entries, zipped as other programs do."""
    target = io.BytesIO()
    lines = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in GOOD.items())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**GOOD, "SHA256SUMS": lines.encode()}.items():
            info = zipfile.ZipInfo(name, (date, 1, 1, 0, 0, 0))
            info.external_attr = (0o100000 | mode) << 16
            archive.writestr(info, content)
        archive.comment = comment
    return target.getvalue()


def bomb() -> bytes:
    """Return an artifact whose last page unpacks to a gigabyte."""
    artifact = bytearray(write_artifact({**GOOD, "z.md": b"\0" * (1 << 20)}))
    for place in (central(bytes(artifact), "z.md") + 24, artifact.index(b"z.md") - LOCAL.size + 22):
        struct.pack_into("<I", artifact, place, 1 << 30)
    return bytes(artifact)


def onnx_with_external_data() -> bytes:
    """Return a graph whose only tensor is in /etc/passwd."""
    import onnx
    from onnx import TensorProto, helper

    tensor = TensorProto(
        name="weights", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [4])
    node = helper.make_node("Identity", ["weights"], ["out"])
    graph = helper.make_graph([node], "g", [], [out], [tensor])
    inner = helper.make_node("If", ["c"], ["out"], then_branch=graph, else_branch=graph)
    outer = helper.make_graph([inner], "g", [], [out])
    return onnx.ModelProto(ir_version=10, graph=outer).SerializeToString()


def hostile_artifacts(payload: Path) -> Iterator[tuple[str, bytes]]:
    """Yield artifacts to refuse, by what is wrong with them."""
    good = write_artifact(GOOD)
    listed = list(GOOD.items())
    attack = pickle.dumps(Payload(payload))
    for name in GOOD:
        yield f"a pickle as {name}", with_entry(name, attack)
    yield "a pickle as SHA256SUMS", rezip([*listed, ("SHA256SUMS", attack)], sums=False)
    yield "a pickle instead of a zip", attack
    yield "a pickle in another place", with_entry("model/native/other.pickle", attack)
    for name in [*GOOD, "SHA256SUMS"]:
        place = good.index(name.encode()) + len(name)
        byte = bytes([good[place + 1] ^ 1])
        yield f"an altered byte in {name}", patched(good, place + 1, byte)
    for name in (
        "../evil.py",
        "/etc/cron.d/evil.py",
        "code/../../evil.py",
        "code\\..\\evil.py",
        "C:/evil.py",
        "code//evil.py",
        "./evil.py",
        "code/.hidden.py",
        "code/evil.so",
        "code/\u202eyp.live",
        f"{'a/' * 20}deep.py",
    ):
        yield f"an entry named {name}", with_entry(name, b"pass\n")
    yield "an entry twice", rezip([*listed, ("model/native/model.ubj", b"{x")])
    yield "an entry twice in another case", rezip([*listed, ("model/native/model.UBJ", b"{x")])
    yield "MODEL.json not first", rezip(listed[::-1])
    yield "an entry without a sum", rezip([*listed, ("SHA256SUMS", b"")], sums=False)
    yield "no sums", rezip(listed, sums=False)
    yield "no MODEL.json", rezip(listed[1:])
    yield "a directory", rezip([*listed, ("zoo/", b"")])
    yield (
        "a symbolic link",
        patched(good, central(good, "metrics.json") + 38, struct.pack("<I", 0o120777 << 16)),
    )
    yield (
        "an encrypted entry",
        patched(good, central(good, "metrics.json") + 8, struct.pack("<H", 1)),
    )
    yield "another method", patched(good, central(good, "metrics.json") + 10, struct.pack("<H", 12))
    yield "two headers that differ", patched(good, central(good, "metrics.json") + 46, b"metrixs")
    yield "a bomb", bomb()
    yield "data before it", b"#!/bin/sh\n" + good
    yield "data after it", good + b"\n"
    yield "truncated", good[: len(good) // 2]
    yield "empty", b""
    yield "two artifacts", good + good
    yield "a comment", ordinary_zip(comment=b"PK\x05\x06")
    yield "zipped by another program", ordinary_zip()
    yield "a later date", ordinary_zip(date=2016)
    yield "external data of ONNX", with_entry("model/model.onnx", onnx_with_external_data())
    yield "deep JSON", with_entry("metrics.json", b"[" * 200_000)
