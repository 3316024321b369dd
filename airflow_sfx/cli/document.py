"""JSON for programs."""

from __future__ import annotations

import json

from airflow_sfx.cli.visible import visible_json
from airflow_sfx.warehouse.document import plain


def print_json(value: object, *, indent: int | None = 2) -> None:
    """Print a value as one JSON document: dataclasses by their fields, times in ISO 8601 and UTC, pins as their own JSON."""
    print(visible_json(json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False)))  # noqa: T201
