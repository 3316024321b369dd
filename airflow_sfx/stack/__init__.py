"""An S3 server and a Hive Metastore on this machine.

They come from Python packages, and need neither root nor Docker.
"""

from __future__ import annotations

from airflow_sfx.stack.lifecycle import down, run, status, up
from airflow_sfx.stack.settings import Stack

__all__ = ["Stack", "down", "run", "status", "up"]
