"""Amazon ECS and CloudWatch Logs, as far as the runner speaks them: tasks are real containers.

Memory limits, exit codes, out of memory, images that cannot be pulled, stopped tasks and
``startedBy`` behave as in Amazon's documentation.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

ACCOUNT = "arn:aws:ecs:eu-west-1:123456789012"
_LARGEST_OVERRIDES = 8192


class Refused(Exception):
    """An error that the client gets."""


@dataclass
class Task:
    """A task that was run."""

    arn: str
    definition: dict[str, Any]
    container: dict[str, Any]
    started_by: str
    token: str | None = None
    run: Any = None
    pull_error: str = ""
    tags: list[dict[str, str]] = field(default_factory=list)
    overrides: dict[str, Any] = field(default_factory=dict)
    stopped_by: str = ""


@dataclass
class Ecs:
    """The state of the service."""

    definitions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.docker: Any = import_module("docker")
        self.engine = self.docker.from_env()

    def answer(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self.requests.append((name, body))
        found = getattr(self, name, None)
        if found is None or not name[0].isupper():
            raise Refused("InvalidAction", name)
        answer: dict[str, Any] = found(body)
        return answer

    def RegisterTaskDefinition(self, body: dict[str, Any]) -> dict[str, Any]:
        versions = self.definitions.setdefault(body["family"], [])
        number = len(versions) + 1
        arn = f"{ACCOUNT}:task-definition/{body['family']}:{number}"
        versions.append({**body, "revision": number, "taskDefinitionArn": arn})
        return {"taskDefinition": versions[-1]}

    def DescribeTaskDefinition(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"taskDefinition": self._definition(body["taskDefinition"])}

    def RunTask(self, body: dict[str, Any]) -> dict[str, Any]:
        definition = self._definition(body["taskDefinition"])
        for task in self.tasks.values():
            if body.get("clientToken") == task.token is not None:
                return {"tasks": [self._described(task)], "failures": []}
        if len(json.dumps(body.get("overrides", {}))) > _LARGEST_OVERRIDES:
            raise Refused("InvalidParameterException", "Container Overrides length must be at most")
        (override,) = body["overrides"]["containerOverrides"]
        (container,) = definition["containerDefinitions"]
        task = Task(
            f"{ACCOUNT}:task/default/{uuid.uuid4().hex}",
            definition,
            container,
            body.get("startedBy", ""),
            body.get("clientToken"),
            tags=body.get("tags", []),
            overrides=body["overrides"],
        )
        self.tasks[task.arn] = task
        variables = [*container.get("environment", []), *override.get("environment", [])]
        memory = override.get("memory") or container.get("memory")
        try:
            task.run = self.engine.containers.run(
                container["image"],
                override.get("command") or container.get("command"),
                detach=True,
                environment={one["name"]: one["value"] for one in variables},
                network_mode="host",
                mem_limit=f"{memory}m" if memory else None,
                user=container.get("user"),
                read_only=container.get("readonlyRootFilesystem", False),
                volumes=self._volumes(definition, container),
            )
        except self.docker.errors.ImageNotFound:
            task.pull_error = f"CannotPullContainerError: {container['image']} not found"
        except self.docker.errors.APIError as error:
            kind = "Pull" if "/v2/" in str(error) else "Start"
            task.pull_error = f"Cannot{kind}ContainerError: {error.explanation}"
        return {"tasks": [self._described(task)], "failures": []}

    def DescribeTasks(self, body: dict[str, Any]) -> dict[str, Any]:
        found = [self.tasks[arn] for arn in body["tasks"] if arn in self.tasks]
        return {"tasks": [self._described(task) for task in found], "failures": []}

    def ListTasks(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body.get("desiredStatus", "RUNNING")
        return {
            "taskArns": [
                task.arn
                for task in self.tasks.values()
                if body.get("startedBy") in (None, task.started_by)
                and self._described(task)["desiredStatus"] == wanted
            ]
        }

    def StopTask(self, body: dict[str, Any]) -> dict[str, Any]:
        task = self.tasks[body["task"]]
        task.stopped_by = body.get("reason") or "Task stopped by user"
        task.run.stop(timeout=2)
        return {"task": self._described(task)}

    def GetLogEvents(self, body: dict[str, Any]) -> dict[str, Any]:
        number = body["logStreamName"].rpartition("/")[2]
        task = next(task for arn, task in self.tasks.items() if arn.endswith(number))
        text = task.run.logs(tail=body["limit"]).decode() if task.run else ""
        now = int(time.time() * 1000)
        return {"events": [{"timestamp": now, "message": line} for line in text.splitlines()]}

    def _definition(self, name: str) -> dict[str, Any]:
        family, _, revision = name.rpartition("/")[2].partition(":")
        versions = self.definitions.get(family)
        if not versions:
            raise Refused("ClientException", "Unable to describe task definition.")
        return versions[int(revision) - 1] if revision else versions[-1]

    def _volumes(self, definition: dict[str, Any], container: dict[str, Any]) -> list[str]:
        places = {one["name"]: one["host"]["sourcePath"] for one in definition.get("volumes", [])}
        return [
            f"{places[one['sourceVolume']]}:{one['containerPath']}"
            for one in container.get("mountPoints", [])
        ]

    def _described(self, task: Task) -> dict[str, Any]:
        one: dict[str, Any] = {"name": task.container["name"], "image": task.container["image"]}
        running, stop = False, task.pull_error
        if task.run is not None:
            task.run.reload()
            state = task.run.attrs["State"]
            running = state["Status"] in ("created", "running")
            if not running:
                one["exitCode"] = state["ExitCode"]
                if state["OOMKilled"]:
                    one["reason"] = "OutOfMemoryError: Container killed due to memory usage"
                stop = task.stopped_by or "Essential container in task exited"
        if task.definition.get("networkMode") == "awsvpc":  # its interface is this machine's
            one["networkInterfaces"] = [{"privateIpv4Address": "127.0.0.1"}]
        now = "RUNNING" if running else "STOPPED"
        return {
            "taskArn": task.arn,
            "taskDefinitionArn": task.definition["taskDefinitionArn"],
            "startedBy": task.started_by,
            "desiredStatus": now,
            "lastStatus": now,
            "containers": [{**one, "lastStatus": now}],
            "tags": task.tags,
            "overrides": task.overrides,
            **({} if running else {"stoppedReason": stop}),
        }


def serve(ecs: Ecs) -> ThreadingHTTPServer:
    """Answer requests in a thread, at a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            name = self.headers["X-Amz-Target"].rpartition(".")[2]
            try:
                status, answer = 200, ecs.answer(name, body)
            except Refused as refused:
                kind, message = refused.args
                status, answer = 400, {"__type": kind, "message": message}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
