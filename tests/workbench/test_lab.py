"""A workbench with the real JupyterLab, whose kernels of Python and R use the warehouse."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.workbench.conftest import container_of

PYTHON = """
import airflow_sfx as sfx, pandas as pd
sold = sfx.load_dataframe("shop", "sold", partitions=["20161031"])
print(sfx.store_dataframe(sold * 10, "shop", "tenfold", ["20161031"]))
"""
R = """
library(sfx)
tenfold <- sf_reader(namespace = "shop", resource = "tenfold", partitions = c(20161031L))
pin <- sf_writer(data = tenfold + 1L, namespace = "shop", resource = "more", partitions = c("1"))
print(sum(tenfold$n))
"""


def call(address: str, token: str, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"token {token}"}
    request = urllib.request.Request(f"{address}/api/{path}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def run_cell(address: str, token: str, kernel: str, code: str) -> str:
    """Execute code in a new kernel; return what it prints."""
    number = call(address, token, "kernels", {"name": kernel})["id"]
    place = f"{address.replace('http', 'ws')}/api/kernels/{number}/channels?token={token}"
    header = {
        **{name: uuid.uuid4().hex for name in ("msg_id", "session", "username")},
        **{"msg_type": "execute_request", "version": "5.3", "date": ""},
    }
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    message = {"header": header, "content": content, "channel": "shell"}
    printed: list[str] = []
    with connect(place, open_timeout=60) as socket:
        socket.send(json.dumps({**message, "parent_header": {}, "metadata": {}, "buffers": []}))
        while True:
            found = json.loads(socket.recv(timeout=120))
            if found["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            content = found["content"]
            printed += [str(content[name]) for name in ("text", "evalue") if name in content]
            if found["msg_type"] == "execute_reply":
                assert content["status"] == "ok", printed
            if found["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(printed)


def test_cells_of_python_and_r_use_the_warehouse(benches, warehouse, lab_image, homes) -> None:
    some = benches(images=(lab_image,), home=f"{homes}/{{owner}}")
    one = some.start(owner="alice", warehouse=warehouse.uri, memory="1g", cpus=2)
    ready = some.wait(one.id)
    assert ready.state == "running", (ready, some.log(one.id))
    address, _, token = some.address(one.id, "alice").partition("/lab?token=")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        call(address, "wrong", "kernels")
    assert "shop.tenfold" in run_cell(address, token, "python3", PYTHON)
    assert "30" in run_cell(address, token, "ir", R)
    more = warehouse.load_dataframe("shop", "more")
    assert more["n"].tolist() == [11, 21]
    for table in ("tenfold", "more"):
        (entry,) = warehouse.history("shop", table)
        assert entry.producer.user == "alice"
    # JupyterLab keeps the token to itself
    printed = container_of(one).logs().decode()
    assert "is running at" in printed
    assert token not in printed
    held = [path.read_bytes() for path in homes.rglob("*") if path.is_file()]
    assert held
    assert not any(token.encode() in text for text in held)
