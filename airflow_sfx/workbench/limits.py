"""What the administrator allows, by the variables ``SFX_WORKBENCH_…``.

The `sfx` command and the page in Airflow read the same variables, each of its own process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.jobs.runners.base import memory_size
from airflow_sfx.workbench.errors import WorkbenchRefused
from airflow_sfx.workbench.workbench import Order

PREFIX = "SFX_WORKBENCH_"
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_OWN_IMAGE = "sfx-lab:latest"
"""The image that `make images` builds."""
_SITE = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Limits:
    """What workbenches may be and use.

    Args:
        images: The images that are allowed, the first of which is the default; one that ends with
            ``*`` allows all that begin with it.
        most_memory: The most memory of a workbench, in bytes.
        most_cpus: The most processors of a workbench.
        most_hours: The longest time that a workbench runs.
        most_per_owner: How many workbenches of one person may run at a time.
        memory: The memory of a workbench that asks for none, in bytes.
        cpus: The processors of a workbench that asks for none.
        hours: The hours of a workbench that asks for none.
        home: The directory that becomes the home, with ``{owner}``, or empty for none.

    Raises:
        InvalidName: A limit is not above 0, or the home has no ``{owner}``.
    """

    images: tuple[str, ...] = (_OWN_IMAGE,)
    most_memory: int = 8 << 30
    most_cpus: float = 4.0
    most_hours: float = 24.0
    most_per_owner: int = 2
    memory: int = 2 << 30
    cpus: float = 1.0
    hours: float = 8.0
    home: str = ""

    def __post_init__(self) -> None:
        for name in ("most_memory", "most_cpus", "most_hours", "most_per_owner"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InvalidName(f"{name}={getattr(self, name)!r} of workbenches is not above 0")
        if not self.images or not all(one and one != "*" for one in self.images):
            raise InvalidName(
                "no images of workbenches are allowed, or all: name them, or how they begin, as"
                " registry.example.com/lab/*"
            )
        if self.home and ("{owner}" not in self.home or not self.home.startswith("/")):
            raise InvalidName(
                f"the home {self.home!r} of workbenches is not an absolute path with {{owner}}, so"
                " that all would share it: set it as /homes/{owner}"
            )

    @property
    def default_image(self) -> str:
        """The image of a workbench that names none, or empty if that must be named."""
        return "" if self.images[0].endswith("*") else self.images[0]

    def allowed_image(self, image: str | None) -> str:
        """Return the image that a workbench may have.

        Args:
            image: The image that it asks for, or None for the default.

        Raises:
            WorkbenchRefused: It is not allowed.

        Example:
            >>> Limits(images=("lab:1", "registry.example.com/lab/*")).allowed_image(None)
            'lab:1'
        """
        wanted = image or self.default_image
        allowed = any(
            wanted.startswith(one[:-1]) if one.endswith("*") else wanted == one
            for one in self.images
        )
        if not wanted or not allowed or not _IMAGE.fullmatch(wanted):
            raise WorkbenchRefused(
                f"the image {wanted!r:.200} is not allowed for workbenches",
                remedy=f"choose one of {', '.join(self.images)}, or ask the administrator",
            )
        return wanted

    def allowed_memory(self, memory: object) -> int:
        """Return the bytes of memory that a workbench may have.

        Args:
            memory: Bytes, a text such as ``4g``, or None for the default.

        Raises:
            InvalidName: It is not a size.
            WorkbenchRefused: It is too much.
        """
        size = memory_size(memory) or min(self.memory, self.most_memory)
        if size > self.most_memory:
            raise WorkbenchRefused(
                f"memory={memory!r} is above the most memory of a workbench,"
                f" {self.most_memory >> 20:,} MiB",
                remedy="ask for less, or ask the administrator",
            )
        return size

    def allowed_cpus(self, cpus: float | None) -> float:
        """Return the processors that a workbench may have.

        Args:
            cpus: How many, or None for the default.

        Raises:
            WorkbenchRefused: It is too many, or not above 0.
        """
        found = min(self.cpus, self.most_cpus) if cpus is None else cpus
        return self._within("cpus", found, self.most_cpus, "processors")

    def allowed_hours(self, hours: float | None) -> float:
        """Return the hours that a workbench may run.

        Args:
            hours: How many, or None for the default.

        Raises:
            WorkbenchRefused: It is too many, or not above 0.
        """
        found = min(self.hours, self.most_hours) if hours is None else hours
        return self._within("hours", found, self.most_hours, "hours")

    @staticmethod
    def _within(name: str, asked: float, most: float, unit: str) -> float:
        is_number = isinstance(asked, (int, float)) and not isinstance(asked, bool)
        if not is_number or not 0 < asked <= most:
            raise WorkbenchRefused(
                f"{name}={asked!r:.40} is not above 0 and at most {most:g}, the most {unit} of a"
                " workbench",
                remedy="ask for less, or ask the administrator",
            )
        return float(asked)


@dataclass(frozen=True, slots=True)
class Site:
    """How workbenches run here, by the administrator.

    Args:
        limits: What they may be and use.
        runner: ``docker`` or ``ecs``.
        options: The options of the runner, as those of jobs.
        environment: Further variables of each container, without secrets.
        bind: The address of the machine at which they listen.
        url: The address at which people reach them, with ``{port}``, and ``{host}`` if they have
            addresses of their own.
        name: The name of this installation, if several share a daemon or cluster: each lists and
            ends its own workbenches only.
    """

    limits: Limits = field(default_factory=Limits)
    runner: str = "docker"
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    bind: str = "127.0.0.1"
    url: str = "http://{host}:{port}"
    name: str = "default"

    def __post_init__(self) -> None:
        if not _SITE.fullmatch(self.name):
            raise InvalidName(
                f"the name {self.name!r:.80} of this installation is not up to 63 letters, digits"
                " and _ . -"
            )
        if "{port}" not in self.url or not re.match("https?://", self.url):
            raise InvalidName(
                f"the address {self.url!r} of workbenches does not begin with http:// or https://,"
                " or has no {port}: set it as https://{port}.lab.example.com"
            )
        try:
            listens_everywhere = not int(IPv4Address(self.bind))
        except ValueError as error:
            raise InvalidName(f"SFX_WORKBENCH_BIND={self.bind!r:.80}: {error}") from error
        if listens_everywhere and self.runner == "docker" and "{host}" in self.url:
            raise InvalidName(
                f"workbenches listen at {self.bind}, which is no address to reach them at: set"
                " SFX_WORKBENCH_URL, as http://lab.example.com:{port}"
            )
        own = {"SFX_WORKBENCH_PORT", *_order_variables()}
        for name, value in self.environment.items():
            if not isinstance(value, str) or not _NAME.fullmatch(name) or name in own:
                raise InvalidName(
                    f"the variable {name!r} of workbenches is not text, or is set by the runner"
                )

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Site:
        """Return what the variables of a process say.

        Args:
            environment: The variables, such as ``os.environ``.

        Raises:
            InvalidName: A variable is unknown, or its value is not what it must be.

        Example:
            >>> Site.of({"SFX_WORKBENCH_MOST_MEMORY": "4g"}).limits.most_memory >> 30
            4
        """
        given = {
            name[len(PREFIX) :]: value
            for name, value in environment.items()
            if name.startswith(PREFIX) and name not in _INSIDE
        }
        if unknown := sorted(given.keys() - _READERS.keys()):
            raise InvalidName(
                f"there is no variable {PREFIX}{unknown[0]} of workbenches: use"
                f" {', '.join(PREFIX + name for name in _READERS)}"
            )
        read: dict[str, Any] = {}
        for name, value in given.items():
            try:
                read[name.lower()] = _READERS[name](value)
            except ValueError as error:
                raise InvalidName(f"{PREFIX}{name}={value!r:.80} is not valid: {error}") from error
        own = {name: read.pop(name) for name in _OF_SITE if name in read}
        return cls(Limits(**read), **own)


_INSIDE = frozenset({"SFX_WORKBENCH_HOST", "SFX_WORKBENCH_PORT"})
"""Variables of the container itself."""
_OF_SITE = ("runner", "options", "environment", "bind", "url", "name")


def _texts(value: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in value.split(",") if one.strip())


def _object(value: str) -> dict[str, Any]:
    found = json.loads(value)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


_READERS: Mapping[str, Any] = {
    "IMAGES": _texts,
    "MOST_MEMORY": memory_size,
    "MOST_CPUS": float,
    "MOST_HOURS": float,
    "MOST_PER_OWNER": int,
    "MEMORY": memory_size,
    "CPUS": float,
    "HOURS": float,
    "HOME": str,
    "RUNNER": str,
    "OPTIONS": _object,
    "ENVIRONMENT": _object,
    "BIND": str,
    "URL": str,
    "NAME": str,
}


def _order_variables() -> frozenset[str]:
    """Return the variables that each container gets."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    return frozenset(Order("", "", "", 0, 0, now, now, "").variables("", 0))
