"""What the logged-in user may do with workbenches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends

from airflow_sfx.plugin.web.security import may_manage_others, may_run_code
from airflow_sfx.workbench.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Person:
    """The logged-in user.

    Args:
        name: Their name in Airflow: the owner of what they start.
        may_start: Whether they may start workbenches, and open and stop their own.
        may_stop_all: Whether they may stop those of others, and read their logs.
    """

    name: str
    may_start: bool
    may_stop_all: bool

    @property
    def asks_for(self) -> str | None:
        """The owner whose workbenches they may stop; None for all."""
        return None if self.may_stop_all else self.name

    def document(self, one: Workbench) -> dict[str, Any]:
        """Return a workbench as they may see it, without its address."""
        own = self.may_start and one.owner == self.name
        return {
            **asdict(one),
            "may_open": own and one.state == "running",
            "may_stop": own or self.may_stop_all,
        }


def visitor(
    user: GetUserDep,
    may_start: Annotated[bool, Depends(may_run_code)],
    may_stop_all: Annotated[bool, Depends(may_manage_others)],
) -> Person:
    """Return the logged-in user."""
    return Person(user.get_name(), may_start, may_stop_all)


Visitor = Annotated[Person, Depends(visitor)]
