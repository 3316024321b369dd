#!/usr/bin/python3 -I
"""Ask the model server of this container whether it is ready; exit with 1 if it is not."""

from __future__ import annotations

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

SECONDS = 5


def main() -> None:
    """Ask the port that the variable names."""
    port = int(os.environ.get("SFX_SERVE_PORT") or 8000)
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.exit(f"the server at port {port} does not answer: {error}")
    if status != HTTPStatus.OK:
        sys.exit(f"the server answers {status}")


if __name__ == "__main__":
    main()
