"""Real services on this machine: an S3 server and a Hive Metastore, from Python packages, without root and Docker."""

from __future__ import annotations

from airflow_sfx.stack.lifecycle import down, status, up
from airflow_sfx.stack.settings import Stack

__all__ = ["Stack", "down", "status", "up"]
