"""Runners by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.jobs.runners.base import Runner, parse_options

RUNNERS = ("process", "docker", "ecs")


def open_runner(name: str, options: Mapping[str, Any] | None = None) -> Runner:
    """Make a runner.

    Args:
        name: ``process``, ``docker`` or ``ecs``.
        options: Its options by name, JSON values, or None for none.

    Returns:
        The runner; nothing is connected before its first use.

    Raises:
        InvalidName: There is no such runner, or no such option of it.

    Example:
        >>> open_runner("docker", {"network": "host"}).name
        'docker'
    """
    given = options or {}
    if name == "process":
        from airflow_sfx.jobs.runners.process import ProcessOptions, ProcessRunner

        return ProcessRunner(parse_options(ProcessOptions, given, name))
    if name == "docker":
        from airflow_sfx.jobs.runners.docker import DockerOptions, DockerRunner

        return DockerRunner(parse_options(DockerOptions, given, name))
    if name == "ecs":
        from airflow_sfx.jobs.runners.cluster import EcsOptions
        from airflow_sfx.jobs.runners.ecs import EcsRunner

        return EcsRunner(parse_options(EcsOptions, given, name))
    raise InvalidName(f"there is no runner {name!r}: use {', '.join(RUNNERS)}")
