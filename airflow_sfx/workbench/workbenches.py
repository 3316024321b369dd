"""Every call on workbenches, for the `sfx` command and the page in Airflow.

Nothing is kept here: a workbench is found by the labels of its container, so that any process finds
it, also after a restart of the daemon. If a process dies in a start, the container ends by itself.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from airflow_sfx.core.errors import InvalidName, JobFailed, counted
from airflow_sfx.jobs.runners.base import RunnerUnavailable
from airflow_sfx.workbench import home as homes
from airflow_sfx.workbench.errors import WorkbenchNotFound, WorkbenchRefused
from airflow_sfx.workbench.limits import Site
from airflow_sfx.workbench.runner import WorkbenchRunner
from airflow_sfx.workbench.workbench import Order, Workbench, checked_owner

_KEPT = timedelta(days=1)
"""How long one that has ended stays in the list, with its log."""
_FIRST_PAUSE = 0.1


class Workbenches:
    """The workbenches of a runner.

    Args:
        site: How they run here: limits, runner, addresses.
        runner: What runs them; by default that which ``site`` names.

    Example:
        >>> Workbenches(Site()).site.limits.most_per_owner
        2
    """

    def __init__(self, site: Site, runner: WorkbenchRunner | None = None) -> None:
        self.site = site
        self._runner = runner or _runner_of(site)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Workbenches:
        """Return the workbenches that the variables ``SFX_WORKBENCH_…`` describe.

        Args:
            environment: The variables; by default those of this process.

        Raises:
            InvalidName: A variable is unknown, or its value is not valid.
        """
        return cls(Site.of(os.environ if environment is None else environment))

    def start(
        self,
        *,
        owner: str,
        warehouse: str,
        image: str | None = None,
        memory: int | str | None = None,
        cpus: float | None = None,
        hours: float | None = None,
        home: str | None = None,
    ) -> Workbench:
        """Start a workbench, and do not wait until it answers.

        Args:
            owner: Whose it is: the user's name.
            warehouse: The URI of the warehouse that ``SFX_WAREHOUSE`` names inside.
            image: Its image; by default the first that is allowed.
            memory: Its memory, in bytes or as ``4g``; by default the administrator's.
            cpus: Its processors; by default the administrator's.
            hours: After how long it ends by itself; by default the administrator's.
            home: The directory to mount as its home; by default the administrator's. One that does
                not answer is left out, and ``reason`` of the workbench says so.

        Returns:
            The workbench.

        Raises:
            WorkbenchRefused: A value is not allowed, the owner has too many, the home is not one,
                or the image is missing.
            InvalidName: The memory is not a size.
            RunnerUnavailable: The daemon or service cannot be reached.
        """
        limits = self.site.limits
        checked_owner(owner)
        now = datetime.now(UTC).replace(microsecond=0)
        order = Order(
            id=secrets.token_hex(6),
            owner=owner,
            image=limits.allowed_image(image),
            memory=limits.allowed_memory(memory),
            cpus=limits.allowed_cpus(cpus),
            started=now,
            ends=now + timedelta(hours=limits.allowed_hours(hours)),
            token=secrets.token_urlsafe(32),
            warehouse=warehouse,
            environment=self.site.environment,
        )
        path = self._path_of_home(owner, home)
        self._room_for(owner)
        found = self._home(path, make=home is None) if path else homes.Home()
        taken = frozenset(one.port for one in self._runner.all(measure=False))
        order = replace(order, home=found.path, user=found.user, taken=taken)
        try:
            self._runner.start(order)
        except RunnerUnavailable:
            raise
        except JobFailed as error:
            raise WorkbenchRefused(error.rule, remedy=error.remedy) from error
        self._check_again(order)
        one = self.get(order.id)
        return replace(one, reason=one.reason or found.problem)

    def all(self, owner: str | None = None) -> list[Workbench]:
        """Return the workbenches, newest first, and end those whose time is over.

        Args:
            owner: Only those of this person, or None for all.

        Raises:
            RunnerUnavailable: The daemon or service cannot be reached.
        """
        there = self._runner.all()
        if self._ended_of(there):
            there = self._runner.all()
        found = [one for one in there if owner in (None, one.owner)]
        return sorted(found, key=lambda one: (one.started, one.id), reverse=True)

    def get(self, workbench_id: str, owner: str | None = None) -> Workbench:
        """Return one workbench.

        Args:
            workbench_id: Its ID.
            owner: Who asks, or None for an administrator, who may see and stop all.

        Raises:
            WorkbenchNotFound: There is none of that ID.
            WorkbenchRefused: It belongs to another person.
            RunnerUnavailable: The daemon or service cannot be reached.
        """
        return self._found(workbench_id, owner, measure=True)

    def _found(self, workbench_id: str, owner: str | None, *, measure: bool) -> Workbench:
        for one in self._runner.all(measure=measure):
            if one.id == workbench_id:
                return _of_owner(one, owner)
        raise WorkbenchNotFound(
            f"there is no workbench {workbench_id!r:.80}",
            remedy="see those that there are: Workbenches.all()",
            cli_remedy="sfx workbench list has those there",
        )

    def wait(self, workbench_id: str, seconds: float = 60) -> Workbench:
        """Wait until a workbench answers at its address, or has ended.

        Args:
            workbench_id: Its ID.
            seconds: The longest time to wait.

        Returns:
            The workbench; its state is ``starting`` if the time was over first.
        """
        end, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while (one := self.get(workbench_id)).state == "starting" and time.monotonic() < end:
            time.sleep(pause)
            pause = min(pause * 1.5, self._runner.longest_pause)
        return one

    def address(self, workbench_id: str, owner: str) -> str:
        """Return the address of a workbench's JupyterLab, with its token: for its owner only.

        Args:
            workbench_id: Its ID.
            owner: Who asks; an administrator does not get the address of another person's, either.

        Raises:
            WorkbenchNotFound: There is none of that ID.
            WorkbenchRefused: It belongs to another person, has ended, or has no address yet.
            RunnerUnavailable: The daemon or service cannot be reached.
        """
        one = self._found(workbench_id, checked_owner(owner), measure=False)
        token = self._runner.token(workbench_id) if one.is_running and one.port else ""
        if not token:
            raise WorkbenchRefused(
                f"the workbench {one.id} has no address ({one.reason or 'it is still starting'})",
                remedy="start another" if one.reason else "ask again in a few seconds",
            )
        url = self.site.url.format(host=one.host, port=one.port).rstrip("/")
        return f"{url}/lab?token={quote(token, safe='')}"

    def log(self, workbench_id: str, lines: int = 100, owner: str | None = None) -> list[str]:
        """Return the last lines that a workbench printed; never its token.

        Args:
            workbench_id: Its ID.
            lines: How many.
            owner: Who asks, or None for an administrator.

        Raises:
            InvalidName: The number of lines is not from 1 to 10,000.
            WorkbenchNotFound: There is none of that ID.
            WorkbenchRefused: It belongs to another person.
            RunnerUnavailable: The daemon or service cannot be reached.
        """
        if isinstance(lines, bool) or not 0 < lines <= 10_000:  # noqa: PLR2004
            raise InvalidName(f"lines={lines!r:.40} of a log is not from 1 to 10,000")
        one = self._found(workbench_id, owner, measure=False)
        token = self._runner.token(one.id)
        found = self._runner.log(one.id, lines)
        return [line.replace(token, "…") for line in found] if token else found

    def stop(self, workbench_id: str, owner: str | None = None) -> Workbench:
        """End a workbench and remove it from the list; its home stays.

        Args:
            workbench_id: Its ID.
            owner: Who asks, or None for an administrator.

        Returns:
            The workbench as it was.

        Raises:
            WorkbenchNotFound: There is none of that ID.
            WorkbenchRefused: It belongs to another person.
            RunnerUnavailable: The daemon or service cannot be reached.
        """
        one = self.get(workbench_id, owner)
        self._runner.stop(one.id)
        return one

    def end_expired(self) -> list[Workbench]:
        """End the workbenches whose time is over, and forget those that ended a day ago.

        They end by themselves as well; this is for those whose container could not.

        Returns:
            Those that it has ended.

        Raises:
            RunnerUnavailable: The daemon or service cannot be reached.
        """
        return [one for one in self._ended_of(self._runner.all(measure=False)) if one.is_running]

    def _ended_of(self, there: list[Workbench]) -> list[Workbench]:
        """End those whose time is over, forget those that ended a day ago, and return both."""
        now, ended = datetime.now(UTC), []
        for one in there:
            late = now - one.ends
            if (one.is_running and late > timedelta()) or late > _KEPT:
                self._runner.stop(one.id)
                ended.append(one)
        return ended

    def _path_of_home(self, owner: str, home: str | None) -> str:
        template = self.site.limits.home if home is None else home
        if not template:
            return ""
        return homes.checked_path(template.replace("{owner}", owner))

    def _home(self, path: str, *, make: bool) -> homes.Home:
        """Look at a home; without one that hangs, the workbench starts all the same."""
        is_here = self._runner.sees_homes
        found = homes.look(path, make=make and is_here)
        if found.hangs:
            return found
        if not is_here:
            return homes.Home(path)
        if found.problem:
            raise WorkbenchRefused(found.problem, remedy="name a directory that you can read")
        if found.user.startswith("0:"):
            raise WorkbenchRefused(
                f"the home {path} belongs to root, as which no workbench runs",
                remedy="name a directory of your own, or give it another owner",
            )
        return found

    def _room_for(self, owner: str) -> None:
        most, there = self.site.limits.most_per_owner, self._runner.all(measure=False)
        ended = self._ended_of(there)
        running = [one for one in there if one not in ended and _counts(one, owner)]
        if len(running) >= most:
            raise _too_many(owner, most, running)

    def _check_again(self, order: Order) -> None:
        """Stop a workbench that another start of the same owner has come before."""
        most = self.site.limits.most_per_owner
        running = [one for one in self._runner.all(measure=False) if _counts(one, order.owner)]
        first = sorted(running, key=lambda one: (one.started, one.id))[:most]
        if len(running) > most and order.id not in {one.id for one in first}:
            with suppress(JobFailed):
                self._runner.stop(order.id)
            raise _too_many(order.owner, most, first)


def _runner_of(site: Site) -> WorkbenchRunner:
    if site.runner == "docker":
        from airflow_sfx.workbench.docker import DockerWorkbenches

        return DockerWorkbenches(site)
    if site.runner == "ecs":
        from airflow_sfx.workbench.ecs import EcsWorkbenches

        return EcsWorkbenches(site)
    raise InvalidName(f"there is no runner {site.runner!r:.40} of workbenches: use docker or ecs")


def _counts(one: Workbench, owner: str) -> bool:
    return one.owner == owner and one.is_running


def _of_owner(one: Workbench, owner: str | None) -> Workbench:
    if owner not in (None, one.owner):
        raise WorkbenchRefused(
            f"the workbench {one.id} is not yours ({owner}) but {one.owner}'s",
            remedy="ask them, or the administrator",
        )
    return one


def _too_many(owner: str, most: int, running: list[Workbench]) -> WorkbenchRefused:
    ids = ", ".join(one.id for one in running)
    return WorkbenchRefused(
        f"{owner} has {counted(len(running), 'workbench')} ({ids}), and {most} may run at a time",
        remedy="stop one of them, or ask the administrator",
    )
