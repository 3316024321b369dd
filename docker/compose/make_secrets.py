"""Make the passwords and keys of compose.yaml, each once, in files of the user who runs this.

They are in no variable and no image, so neither `docker inspect` nor a log has them.
"""

import base64
import json
import os
import secrets
from pathlib import Path

AIRFLOW = Path("/run/secrets")
"""What Airflow and its database need, and no notebook sees."""
WAREHOUSE = Path("/run/warehouse")
"""What the notebook has, too. The stack adds the keys of the S3 server, as `credentials`."""


def main() -> None:
    """Make the files that are not there."""
    os.umask(0o077)
    password = _kept(AIRFLOW / "postgres", secrets.token_urlsafe(24))
    _kept(AIRFLOW / "database", f"postgresql+psycopg2://airflow:{password}@127.0.0.1/airflow")
    _kept(AIRFLOW / "fernet", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    _kept(AIRFLOW / "jwt", secrets.token_urlsafe(48))
    _kept(AIRFLOW / "cookies", secrets.token_urlsafe(32))
    _kept(AIRFLOW / "users.json", json.dumps({"admin": secrets.token_urlsafe(12)}))
    _kept(WAREHOUSE / "notebook", secrets.token_urlsafe(24))


def _kept(path: Path, new: str) -> str:
    """Return what a file has, which is created with a new text if necessary."""
    if not path.exists():
        unfinished = path.with_suffix(".new")
        unfinished.write_text(new)
        unfinished.replace(path)
    return path.read_text()


if __name__ == "__main__":
    main()
