"""A workbench: whose it is, what it may use, and until when it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from airflow_sfx.workbench.errors import WorkbenchRefused

HOME_INSIDE = "/home/sfx"
"""Where the home of the owner is in the container."""
INSIDE_PORT = 8888
"""The port of a workbench that has a network of its own."""

LABEL = "airflow_sfx.workbench"
"""The label of each workbench's container; its value is the ID. Others begin with it and a dot."""

State = Literal["starting", "running", "ended"]
"""``starting`` until JupyterLab answers, ``running``, or ``ended``."""

_OWNER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,62}")


@dataclass(frozen=True, slots=True)
class Workbench:
    """A workbench; its token is no part of it.

    Args:
        id: Its ID, twelve hexadecimal digits.
        owner: Whose it is.
        image: Its image.
        state: Whether it starts, runs or has ended.
        memory: Its limit of memory, in bytes.
        cpus: Its limit of processors.
        started: When it was started.
        ends: When it ends by itself.
        memory_used: The memory that it uses now, in bytes, or None if that is not known.
        home: The directory of the machine that is its home, or empty without one: what is written
            to its home is then lost when it ends.
        host: The host of its address, or empty if that is not known yet.
        port: The port of its address, or 0 if that is not known yet.
        reason: Why it has ended, or why it has no home; empty if there is nothing to say.
    """

    id: str
    owner: str
    image: str
    state: State
    memory: int
    cpus: float
    started: datetime
    ends: datetime
    memory_used: int | None = None
    home: str = ""
    host: str = ""
    port: int = 0
    reason: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it runs, or starts."""
        return self.state != "ended"


@dataclass(frozen=True, slots=True)
class Order:
    """What a runner starts.

    Args:
        id: The workbench's ID.
        owner: Whose it is.
        image: Its image.
        memory: Its limit of memory, in bytes.
        cpus: Its limit of processors.
        started: Now.
        ends: When it ends by itself.
        token: The token of its JupyterLab, which no text of an order has.
        warehouse: The warehouse's URI, without secrets.
        environment: Further variables, without secrets.
        home: The directory to mount as its home, or empty for none.
        user: The user inside, as ``uid:gid``, or empty for that of the image.
        taken: The ports of other workbenches.
    """

    id: str
    owner: str
    image: str
    memory: int
    cpus: float
    started: datetime
    ends: datetime
    token: str = field(repr=False)
    warehouse: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    home: str = ""
    user: str = ""
    taken: frozenset[int] = frozenset()

    def seconds(self) -> int:
        """Return for how long it runs."""
        return max(1, round((self.ends - self.started).total_seconds()))

    def variables(self, host: str, port: int) -> dict[str, str]:
        """Return the variables of the container.

        Args:
            host: The address inside at which JupyterLab listens.
            port: The port inside.
        """
        return {
            **self.environment,
            "HOME": HOME_INSIDE,
            # who has written, in the history
            "USER": self.owner,
            "LOGNAME": self.owner,
            "JUPYTER_TOKEN": self.token,
            # its files have the token: they must not stay in a home
            "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",  # noqa: S108  of the container
            # of an image whose own init process is not the first one here
            "TINI_SUBREAPER": "1",
            "SFX_WORKBENCH_HOST": host,
            "SFX_WORKBENCH_PORT": str(port),
            "SFX_WAREHOUSE": self.warehouse,
        }

    def labels(self, site: str, port: int) -> dict[str, str]:
        """Return the labels of the container, which describe a workbench but for its token.

        Args:
            site: The name of the installation.
            port: The port of its address, or 0 if that is not known yet.
        """
        found = {
            "site": site,
            "owner": self.owner,
            "image": self.image,
            "memory": str(self.memory),
            "cpus": f"{self.cpus:g}",
            "started": self.started.isoformat(),
            "ends": self.ends.isoformat(),
            "home": self.home,
            "port": str(port),
        }
        return {LABEL: self.id, **{f"{LABEL}.{name}": value for name, value in found.items()}}


def checked_owner(owner: object) -> str:
    """Return the name of an owner, which becomes a part of a path and a label.

    Args:
        owner: The name.

    Raises:
        WorkbenchRefused: It has characters that it must not have, or dots only.

    Example:
        >>> checked_owner("alice@example.com")
        'alice@example.com'
        >>> checked_owner("../root")
        Traceback (most recent call last):
        ...
        airflow_sfx.workbench.errors.WorkbenchRefused: the owner '../root' of a workbench is not \
a name of up to 63 letters, digits and _ . @ + -, which begins with none of the last four: ask \
the administrator for another user name
    """
    if isinstance(owner, str) and _OWNER.fullmatch(owner):
        return owner
    raise WorkbenchRefused(
        f"the owner {owner!r:.80} of a workbench is not a name of up to 63 letters, digits and"
        " _ . @ + -, which begins with none of the last four",
        remedy="ask the administrator for another user name",
    )
