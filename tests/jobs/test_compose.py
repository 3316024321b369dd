"""`compose.yaml` names images of ours, opens nothing beyond this machine, and has no secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from cryptography.fernet import Fernet

from tools.images import IMAGES, ROOT

TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_an_image_of_ours_that_can_change_nothing_outside_its_volumes(name) -> None:
    service = SERVICES[name]
    image = re.sub(r"\$\{\w+:-([\w-]+)\}", r"\1", service["image"])
    assert image.removesuffix(":latest").removeprefix("sfx-") in IMAGES
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "user", "pid", "ipc"} & service.keys()
    for volume in service.get("volumes", []):
        source, _, place = volume.rpartition(":/")
        assert source in COMPOSE["volumes"] or place.endswith(":ro"), volume


def test_only_airflow_and_the_notebook_are_published_and_on_loopback_alone() -> None:
    assert {one.get("network_mode") for name, one in SERVICES.items() if name != "network"} == {
        "service:network"
    }
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["network"]
    published = [port.split(":") for port in SERVICES["network"]["ports"]]
    assert all(words[0] == "127.0.0.1" for words in published)
    assert [words[-1] for words in published] == ["8080", "8888"]


def test_secrets_are_in_files_alone_and_the_notebook_has_none_of_airflows() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            assert "@" not in value, f"{variable} of {name} has a password"
            if re.search("SECRET|PASSWORD|TOKEN|KEY|CREDENTIALS|_CONN", variable):
                assert re.match(r"(cat )?/run/(secrets|warehouse)/\w", value), variable
    mounted = {name for name, one in SERVICES.items() if "airflow-secrets" in str(one)}
    assert not {"notebook", "stack", "network"} & mounted


def test_who_is_waited_for_exists_and_says_whether_it_is_healthy() -> None:
    texts = [path.read_text() for path in (ROOT / "docker").rglob("Dockerfile")]
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            image = re.findall(r"sfx-(\w+)", SERVICES[name]["image"])[0]
            once = wait["condition"] == "service_completed_successfully"
            assert once == (SERVICES[name]["restart"] == "no")
            if not once:
                stage = re.compile(rf"( AS {image}\n|PostgreSQL).*?HEALTHCHECK --", re.DOTALL)
                assert any(stage.search(text) for text in texts), image


def test_each_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path) -> None:
    program = (ROOT / "docker/compose/make_secrets.py").read_text()
    for name in ("secrets", "warehouse"):
        program = program.replace(f"/run/{name}", str(tmp_path / name))
        (tmp_path / name).mkdir()

    def made() -> dict[str, str]:
        subprocess.run([sys.executable, "-c", program], check=True)
        return {
            str(path.relative_to(tmp_path)): path.read_text()
            for path in tmp_path.rglob("*")
            if path.is_file()
        }

    first = made()
    assert made() == first
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {
        0o600
    }
    asked = set(re.findall(r"(?:cat |: )/run/(\S+)", TEXT)) - {"warehouse/credentials"}
    assert asked <= first.keys(), "compose.yaml names a secret that nothing makes"
    Fernet(first["secrets/fernet"])
    assert first["secrets/postgres"] in first["secrets/database"]
    (tmp_path / "secrets/jwt").unlink()
    again = made()
    assert again["secrets/jwt"] != first["secrets/jwt"]
    assert {**again, "secrets/jwt": first["secrets/jwt"]} == first


class Health(BaseHTTPRequestHandler):
    """Airflow's own answer, of which one part is not healthy."""

    def do_GET(self) -> None:
        found = self.path == "/api/v2/monitor/health"
        self.send_response(200 if found else 404)
        self.end_headers()
        statuses = {"metadatabase": "healthy", "scheduler": "healthy", "triggerer": "unhealthy"}
        self.wfile.write(
            json.dumps({name: {"status": statuses[name]} for name in statuses}).encode()
        )

    def log_message(self, *_: object) -> None:
        pass


def test_the_health_check_of_airflow_tells_its_parts_apart() -> None:
    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def asked(part: str) -> subprocess.CompletedProcess[str]:
        url = f"http://127.0.0.1:{server.server_port}/execution/"
        return subprocess.run(
            [sys.executable, ROOT / "docker/airflow/sfx-airflow-healthy", part],
            env={**os.environ, "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )

    assert asked("scheduler").returncode == 0
    assert "the triggerer is unhealthy" in asked("triggerer").stderr
    assert "does not answer" in asked("dag_processor").stderr
    assert "there is no webserver: use metadatabase, scheduler" in asked("webserver").stderr
    server.shutdown()
    server.server_close()
    assert "does not answer" in asked("scheduler").stderr
