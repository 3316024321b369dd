"""The settings of a stack: its folder, ports and keys.

They are stored in the folder, so that the next start uses the same.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from airflow_sfx.core.errors import WarehouseUnavailable

BUCKET = "warehouse"
REGION = "us-east-1"
HOST = "127.0.0.1"
_FILE = "stack.json"
_PORTS = (
    "s3",
    "s3_grpc",
    "master",
    "master_grpc",
    "volume",
    "volume_grpc",
    "filer",
    "filer_grpc",
    "metastore",
)
_KNOWN_TO_USERS = ("s3", "metastore")


@dataclass(frozen=True, slots=True)
class Stack:
    """The services of one folder.

    Args:
        directory: The folder with their data, settings and logs.
        ports: The port of each service.
        access_key: The S3 server's key.
        secret_key: Its secret, which is never displayed.
    """

    directory: Path
    ports: dict[str, int]
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The S3 server's URL."""
        return f"http://{HOST}:{self.ports['s3']}"

    @property
    def metastore_port(self) -> int:
        """The Hive Metastore's port."""
        return self.ports["metastore"]

    @property
    def files(self) -> Path:
        """The directory to which the metastore and Spark map ``s3://warehouse``."""
        return self.directory / "files"

    @property
    def uri(self) -> str:
        """The warehouse on these services."""
        return f"hive://{HOST}:{self.metastore_port}?location=s3://{BUCKET}/sfx"

    def environment(self) -> dict[str, str]:
        """Return the variables of a program that uses the stack, with the secret."""
        return {
            "SFX_WAREHOUSE": self.uri,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }


def load(directory: Path) -> Stack | None:
    """Read the settings of a folder; None if no stack was ever started there.

    Raises:
        WarehouseUnavailable: The settings cannot be read.
    """
    try:
        data = json.loads((directory / _FILE).read_text())
        return Stack(
            directory,
            {name: int(data["ports"][name]) for name in _PORTS},
            data["access_key"],
            data["secret_key"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WarehouseUnavailable(
            f"{directory / _FILE} does not hold the settings of a stack ({type(error).__name__}):"
            " use another folder with --dir, or remove that file; the data stay"
        ) from error


def settle(directory: Path, wanted: dict[str, int]) -> Stack:
    """Return the settings for a start in a folder; `save` stores them.

    Args:
        directory: The folder.
        wanted: Ports by service. The other services get the ports of the last start, or free ones.
            An internal port that another program uses now is replaced.
    """
    before = load(directory)
    kept = before.ports if before else {}
    kept = {
        name: port
        for name, port in kept.items()
        if name in _KNOWN_TO_USERS or port_error(port) is None
    }
    return Stack(
        directory,
        {**_free_ports(), **kept, **wanted},
        before.access_key if before else f"SFX{secrets.token_hex(8).upper()}",
        before.secret_key if before else secrets.token_urlsafe(30),
    )


def save(stack: Stack) -> None:
    """Store settings in the stack's folder, for the next start."""
    text = json.dumps({**asdict(stack), "directory": str(stack.directory)}, indent=2)
    _write_private(stack.directory / _FILE, text)


def save_credentials(stack: Stack, path: Path) -> None:
    """Write the keys to an AWS credentials file that only this user can read.

    Args:
        stack: The stack.
        path: The file, as ``AWS_SHARED_CREDENTIALS_FILE`` names it to other programs.

    Raises:
        WarehouseUnavailable: It cannot be written.
    """
    keys = {"aws_access_key_id": stack.access_key, "aws_secret_access_key": stack.secret_key}
    lines = "".join(f"{name} = {value}\n" for name, value in keys.items())
    try:
        _write_private(path, f"[default]\n{lines}")
    except OSError as error:
        raise WarehouseUnavailable(
            f"the credentials cannot be written to {path} ({error.strerror}): name a file in a"
            " directory of yours by --credentials"
        ) from error


def port_error(port: int) -> OSError | None:
    """Return the error of listening on a port now; None if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error
    return None


def _free_ports() -> dict[str, int]:
    """Return free ports, each bound until all are found, so that they are different."""
    with ExitStack() as held:
        found = {}
        for name in _PORTS:
            listener = held.enter_context(socket.socket())
            listener.bind((HOST, 0))
            found[name] = listener.getsockname()[1]
        return found


def _write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read."""
    unfinished = path.with_suffix(".new")
    with open(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)
