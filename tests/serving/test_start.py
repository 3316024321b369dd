"""What a server needs to start, and what one request may cost."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import airflow_sfx
from airflow_sfx.serving.server import LOOPBACK
from tests.serving.server import JSON, serving, until

ROOT = Path(airflow_sfx.__file__).parents[1]
ROW = b'[{"distance": 1400.0, "hour": 17, "weekend": false, "carrier": "UA"}]'
NEEDED = ("numpy", "numpy.libs", "onnxruntime", "uvicorn", "click", "h11", "msgspec", "lazy_loader")
"""The packages of a server of a zip; all that uvicorn and onnxruntime need at run time."""
SERVE = """
import sys
sys.path[:0] = sys.argv[1:3]
from airflow_sfx.serving.server import Settings, serve
serve(Settings(sys.argv[3], port=0), None, lambda text: print(text, flush=True))
"""


def test_a_server_of_a_zip_needs_numpy_onnxruntime_and_uvicorn_only(archive, tmp_path) -> None:
    """As in an environment in which pip has installed nothing else."""
    found = find_spec("numpy")
    assert found is not None
    assert found.origin is not None
    packages = Path(found.origin).parents[1]
    for name in NEEDED:
        if (packages / name).exists():
            (tmp_path / name).symlink_to(packages / name)
    for module in ("typing_extensions.py",):
        (tmp_path / module).symlink_to(packages / module)
    code = [sys.executable, "-I", "-S", "-c", SERVE, str(tmp_path), str(ROOT), str(archive)]
    process = subprocess.Popen(code, stdout=subprocess.PIPE, text=True)
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
