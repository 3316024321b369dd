"""Bodies about workbenches. Only `Address` has a token."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from airflow_sfx.plugin.web.documents.tables import MAX_NAME


class LimitsDocument(BaseModel):
    """What a workbench may be and use, and has if it asks for nothing.

    Args:
        images: The images that are allowed; one that ends with `*` allows all that begin with it.
        image: The default image, or empty if an image must be named.
        memory: The default limit of memory, in bytes.
        most_memory: The greatest one.
        cpus: The default number of processors.
        most_cpus: The greatest one.
        hours: For how many hours a workbench runs by default.
        most_hours: For how many at most.
        most_per_owner: How many of one person may run at a time.
    """

    images: list[str]
    image: str
    memory: int
    most_memory: int
    cpus: float
    most_cpus: float
    hours: float
    most_hours: float
    most_per_owner: int


class WorkbenchDocument(BaseModel):
    """A workbench, without its address.

    Args:
        id: Its ID.
        owner: Whose it is.
        image: Its image.
        state: `starting`, `running` or `ended`.
        memory: Its limit of memory, in bytes.
        memory_used: The memory that it uses now, in bytes, or null if that is not known.
        cpus: Its limit of processors.
        started: When it was started.
        ends: When it ends by itself.
        reason: Why it has ended, or why it has no home; empty if there is nothing to say.
        may_open: Whether the user may open it: only its owner may.
        may_stop: Whether the user may stop it, and read its log.
    """

    id: str
    owner: str
    image: str
    state: str
    memory: int
    memory_used: int | None
    cpus: float
    started: datetime
    ends: datetime
    reason: str
    may_open: bool
    may_stop: bool


class WorkbenchList(BaseModel):
    """Workbenches, newest first.

    Args:
        limits: What a workbench may be and use, or null if workbenches are not set up.
        missing: How they are set up; empty if they are.
        may_start: Whether the user may start one.
        workbenches: The workbenches.
    """

    limits: LimitsDocument | None
    missing: str
    may_start: bool
    workbenches: list[WorkbenchDocument]


class WorkbenchLog(BaseModel):
    """The last lines that a workbench printed.

    Args:
        lines: The lines.
    """

    lines: list[str]


class StartWorkbench(BaseModel):
    """A start of a workbench.

    Args:
        image: The image, or null for the default.
        memory: The limit of memory, in bytes or as `4g`, or null for the default.
        cpus: The limit of processors, or null for the default.
        hours: After how many hours it ends, or null for the default.
    """

    model_config = ConfigDict(extra="forbid")

    image: str | None = Field(max_length=MAX_NAME)
    memory: int | str | None = None
    cpus: float | None = None
    hours: float | None = None


class OneWorkbench(BaseModel):
    """A workbench that a person opens or stops.

    Args:
        id: Its ID.
    """

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=MAX_NAME)


class WorkbenchChanged(BaseModel):
    """The result of a start or a stop.

    Args:
        id: The workbench.
        reason: Why it has no home; empty if there is nothing to say.
    """

    id: str
    reason: str


class Address(BaseModel):
    """Where a workbench is.

    Args:
        address: Its address, with its token.
    """

    address: str
