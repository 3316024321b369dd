"""What a server needs to start, and what one request may cost."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

import airflow_sfx
from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.core.table import TableRef
from airflow_sfx.serving.metrics import Metrics
from airflow_sfx.serving.predictions import Samples
from airflow_sfx.serving.server import LOOPBACK, Settings, serve
from tests.docs.pages import blocks
from tests.serving.server import JSON, serving, until

ROOT = Path(airflow_sfx.__file__).parents[1]
ROW = b'[{"distance": 1400.0, "hour": 17, "weekend": false, "carrier": "UA"}]'
PAGE = ROOT / "docs/serving.md"
ALONE = ("numpy", "numpy.libs", "onnxruntime")
NEEDED = ("uvicorn", "click", "h11", "typing_extensions.py", "msgspec", "lazy_loader")
"""What a server of a zip needs besides; all that uvicorn and onnxruntime need at run time."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """An environment in which pip has installed numpy and onnxruntime, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    _link(folder, ALONE)
    return folder


def _link(environment: Path, names: Sequence[str]) -> None:
    found = find_spec("numpy")
    assert found is not None
    assert found.origin is not None
    packages = Path(found.origin).parents[1]
    (there,) = environment.glob("lib/*/site-packages")
    for name in names:
        if (packages / name).exists():
            (there / name).symlink_to(packages / name)


def test_numpy_and_onnxruntime_alone_answer(environment, archive) -> None:
    (program,) = [text for text in blocks(PAGE, "python") if "InferenceSession" in text]
    done = subprocess.run(
        [environment / "bin/python", "-I", "-c", program, archive],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(archive) as artifact:
        expected = json.loads(artifact.read("examples/output.json"))["prediction"]
    assert json.loads(done.stdout) == expected


def test_a_server_of_a_zip_needs_numpy_onnxruntime_and_uvicorn_only(environment, archive) -> None:
    _link(environment, NEEDED)
    (there,) = environment.glob("lib/*/site-packages")
    (there / "airflow_sfx").symlink_to(ROOT / "airflow_sfx")
    (shown,) = [text for text in blocks(PAGE, "console") if "python -c" in text]
    (line,) = [one for one in shown.splitlines() if "python -c" in one]
    code = line.partition('"')[2].rpartition('"')[0]
    code = code.replace("Settings('delays.zip')", "Settings(sys.argv[1], port=0)")
    python = [environment / "bin/python", "-I", "-u", "-c"]
    predict = "import sys, airflow_sfx as sfx; print(sfx.models.load(sys.argv[1]).predict([%s]))"
    done = subprocess.run(
        [*python, predict % ROW.decode()[1:-1].replace("false", "False"), archive],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[1]\n", "")
    process = subprocess.Popen(
        [*python, f"import sys; {code}", archive], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        asked = urllib.request.Request(f"{address}/predict", ROW, JSON)
        assert b'"prediction":1' in urllib.request.urlopen(asked, timeout=60).read()
        arrow = {"content-type": "application/vnd.apache.arrow.stream"}
        asked = urllib.request.Request(f"{address}/predict", ROW, arrow)
        try:
            urllib.request.urlopen(asked, timeout=60)
        except urllib.error.HTTPError as error:
            assert (error.code, b"has no pyarrow" in error.read()) == (415, True)
    finally:
        process.kill()
        process.wait()


def test_onnxruntime_sends_no_events_and_keeps_no_device_id(archive, tmp_path) -> None:
    code = "import sys, airflow_sfx as sfx; sfx.models.load(sys.argv[1])"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    home = {**kept, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, archive], env=home, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_uvicorn_names_the_extra(archive, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ModelRefused, match=r"pip install 'airflow-sfx\[serve\]'"):
        serve(Settings(str(archive), port=0), pytest.fail, print)


def test_a_server_without_pandas_writes_no_samples_and_names_it(warehouse, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    table = TableRef("air", "samples")
    with pytest.raises(ModelRefused, match="samples of predictions needs pandas"):
        Samples(warehouse, table, 10, 1.0, Metrics([]))


def test_following_an_alias_loads_no_frames_and_no_training_library(warehouse, delays) -> None:
    with serving("delays@production", uri=warehouse.uri) as server:
        assert server.send("POST", "/predict", ROW, JSON).status == 200
        mapped = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "onnxruntime" in mapped
    assert not [name for name in ("/pandas/", "/pyarrow/", "/sklearn/") if name in mapped]


def test_only_this_machine_reaches_a_server_unless_asked(archive) -> None:
    with serving(str(archive)) as server:
        assert f"at http://{LOOPBACK}:" in server.told
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
        assert f"0100007F:{server.port:04X}" in listening
    with serving(str(archive), "--host", "0.0.0.0") as server:
        assert "without authentication" in server.told
        taken = str(server.port)
        done = subprocess.run(
            [sys.executable, "-m", "airflow_sfx.cli", "serve", str(archive), "--port", taken],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, f":{taken} cannot be listened on" in done.stderr) == (1, True)


def test_a_body_that_does_not_arrive_is_refused_in_time(archive) -> None:
    head = "POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    with (
        serving(str(archive), "--timeout", "0.3") as server,
        socket.create_connection(("127.0.0.1", server.port)) as connection,
    ):
        begun = time.monotonic()
        connection.sendall(f"{head}content-length: 90\r\n\r\n[".encode())
        assert b"408" in connection.recv(1000).splitlines()[0]
        assert time.monotonic() - begun < 10
        assert server.send("POST", "/predict", ROW, JSON).status == 200


def test_a_server_finishes_what_it_has_when_it_is_stopped(archive) -> None:
    with serving(str(archive)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.putrequest("POST", "/predict")
        connection.putheader("content-type", "application/json")
        connection.putheader("content-length", str(len(ROW)))
        connection.endheaders(ROW[:10])
        until(lambda: server.get("/healthz").status == 200)
        server.process.terminate()
        time.sleep(0.2)
        connection.send(ROW[10:])
        assert connection.getresponse().status == 200
        server.process.wait(60)
