"""AWS Lambda's Runtime API on this machine, and AWS's own client behind it.

The client (`awslambdaric`) runs in a process of its own, as in Lambda: it asks for the next event,
calls the handler, and posts what that returned or raised.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.images import docker_program

ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/"
_START = 60.0
"""Seconds that a client may take to start."""
_FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:scores"


class FunctionFailed(Exception):
    """What the function raised, as Lambda reports it: errorMessage, errorType, stackTrace."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('errorType')}: {error.get('errorMessage')}")
        self.error = error


def kinesis_event(stream: str, shard: str, records: Sequence[Mapping[str, Any]]) -> dict:
    """Return the event that Lambda makes of records of a shard.

    Args:
        stream: The stream's name.
        shard: The shard.
        records: ``sequence`` and ``data`` of each, and ``key`` and ``arrived`` (a Unix time) if
            they matter.
    """
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": one.get("key", "1"),
                    "sequenceNumber": str(one["sequence"]),
                    "data": base64.b64encode(one["data"]).decode(),
                    "approximateArrivalTimestamp": one.get("arrived", 1477951200.5),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{shard}:{one['sequence']}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
                "awsRegion": "eu-west-1",
                "eventSourceARN": f"{ARN}{stream}",
            }
            for one in records
        ]
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of a client whose process was killed."""


class LambdaFunction:
    """A function in Lambda's execution environment: started at once, asked one event at a time.

    Args:
        handler: ``module.function``.
        folder: Where the module is.
        timeout: Seconds an invocation may take, from when the client takes its event.
        env: Variables beside those of this process.
        python: The interpreter that has the runtime client.
    """

    def __init__(
        self,
        handler: str,
        folder: Path,
        *,
        timeout: float = 30.0,
        env: Mapping[str, str] | None = None,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        self.timeout, self.end, self._python = timeout, 0.0, python
        self.events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.answers: dict[str, queue.Queue[tuple[str, bytes]]] = {}
        self.init_error: dict[str, Any] | None = None
        self.server = _Server(("127.0.0.1", 0), self._requests())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.process = self._start(
            handler,
            folder,
            {
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.server.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": "scores",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
                "AWS_REGION": "eu-west-1",
                "LAMBDA_TASK_ROOT": str(folder),
                "_HANDLER": handler,
                **(env or {}),
            },
        )

    def _start(self, handler: str, folder: Path, env: Mapping[str, str]) -> subprocess.Popen:
        """Start the runtime client."""
        command = [*self._python, "-m", "awslambdaric", handler]
        return subprocess.Popen(command, cwd=folder, env={**os.environ, **env})

    def kill(self) -> None:
        """End the execution environment, as Lambda does with one that takes too long."""
        self.process.kill()

    def invoke(self, event: object) -> Any:
        """Return what the handler returned for an event.

        Raises:
            FunctionFailed: It raised, its process ended, or the time was over.
        """
        request = str(uuid.uuid4())
        self.answers[request] = queue.Queue()
        self.end = time.monotonic() + _START + self.timeout
        self.events.put((request, json.dumps(event).encode()))
        while True:
            try:
                kind, body = self.answers[request].get(timeout=0.05)
                break
            except queue.Empty:
                if self.process.poll() is not None:
                    ended = {"errorType": "Runtime.ExitError", "code": self.process.returncode}
                    raise FunctionFailed(self.init_error or ended) from None
                if time.monotonic() > self.end:
                    self.kill()
                    raise FunctionFailed({"errorType": "Sandbox.Timedout"}) from None
        if kind == "error":
            raise FunctionFailed(json.loads(body))
        return json.loads(body)

    def close(self) -> None:
        self.kill()
        self.process.wait()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> LambdaFunction:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _requests(self) -> type[BaseHTTPRequestHandler]:
        function = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Else each call waits 40 ms twice, for an acknowledgement that is put off.
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def do_GET(self) -> None:
                """Answer /2018-06-01/runtime/invocation/next, once there is an event."""
                request, body = function.events.get()
                function.end = time.monotonic() + function.timeout
                deadline = int((time.time() + function.timeout) * 1000)
                self._send(
                    200,
                    body,
                    {
                        "Content-Type": "application/json",
                        "Lambda-Runtime-Aws-Request-Id": request,
                        "Lambda-Runtime-Deadline-Ms": str(deadline),
                        "Lambda-Runtime-Invoked-Function-Arn": _FUNCTION,
                        "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
                    },
                )

            def do_POST(self) -> None:
                """Take a response, an error, or what kept the handler from being imported."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                *_, request, kind = self.path.split("/")
                if (request, kind) == ("init", "error"):
                    function.init_error = json.loads(body)
                else:
                    function.answers[request].put((kind, body))
                self._send(202, b'{"status":"OK"}', {})

            def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        return Requests


class LambdaContainer(LambdaFunction):
    """A function in a container of its image, sealed as Lambda seals it.

    The root is read-only, the user one that the image does not know, and there are no rights; the
    image's command names the handler.
    """

    def __init__(self, image: str, **options: Any) -> None:
        self._image, self.name = image, f"lambda-{uuid.uuid4().hex[:12]}"
        super().__init__("", Path("/var/task"), **options)

    def _start(self, handler: str, folder: Path, env: Mapping[str, str]) -> subprocess.Popen:
        sealed = ("--network=host", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL")
        sealed += ("--user=993:990", "--memory=1g", "--security-opt=no-new-privileges")
        known = {name: value for name, value in env.items() if name != "_HANDLER"}
        variables = [f"--env={name}={value}" for name, value in {**known, "TZ": ":UTC"}.items()]
        command = [docker_program(), "run", "--rm", f"--name={self.name}", *sealed, *variables]
        return subprocess.Popen([*command, self._image])

    def kill(self) -> None:
        command = [docker_program(), "rm", "--force", self.name]
        subprocess.run(command, capture_output=True, check=False)


def bare_python() -> list[str]:
    """Return the interpreter below this one's environment, which has none of its packages."""
    return [getattr(sys, "_base_executable", sys.executable), "-s"]


def runtime_client(folder: Path) -> Path:
    """Make a folder with the runtime client alone, as Lambda's runtimes have it."""
    folder.mkdir()
    for module in ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"):
        found = importlib.util.find_spec(module)
        assert found is not None and found.origin is not None
        origin = Path(found.origin)
        whole = origin.parent if found.submodule_search_locations else origin
        (folder / whole.name).symlink_to(whole)
    return folder
