#!/usr/bin/python3 -I
"""Ask the JupyterLab of this container for its status; exit with 1 without one."""

from __future__ import annotations

import json
import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

SECONDS = 5
EVERYWHERE = {"*", "0.0.0.0", "::"}


def main() -> None:
    """Ask the server that its own file names, with the token that this file has."""
    folder = Path(os.environ.get("JUPYTER_RUNTIME_DIR", "/tmp/jupyter"))
    found = list(folder.glob("jpserver-*.json"))
    if not found:
        sys.exit("JupyterLab has not started")
    newest = max(found, key=lambda path: path.stat().st_mtime)
    server = json.loads(newest.read_text())
    host = os.environ.get("SFX_WORKBENCH_HOST") or "127.0.0.1"
    connection = HTTPConnection(
        "127.0.0.1" if host in EVERYWHERE else host, server["port"], timeout=SECONDS
    )
    headers = {"Authorization": f"token {server['token']}"} if server["token"] else {}
    try:
        connection.request("GET", f"{server['base_url']}api/status", headers=headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"JupyterLab does not answer: {error}")
    if status != HTTPStatus.OK:
        sys.exit(f"JupyterLab answers {status}")


if __name__ == "__main__":
    main()
