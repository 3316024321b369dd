"""An explorer that runs real code under every schedule of several actors.

The schedules have few preemptions and crashes.

Each request to storage or metastore is a step. Only one actor runs at a time; before each step the
explorer decides who goes on, or who dies there. Schedules are enumerated depth first without
keeping states (stateless model checking with a bound on preemptions: Musuvathi and Qadeer,
"Iterative context bounding for systematic testing of multithreaded programs", 2007, found that few
preemptions suffice for most errors).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Actor = Callable[[], object]
CRASH = "crash"
_SLEEP = time.sleep


class Crashed(BaseException):
    """The actor's process has died: nothing of it runs any more."""


@dataclass
class Outcome:
    """The outcome of one schedule.

    Args:
        results: What each actor returned.
        errors: What each actor raised.
        crashed: Who died.
        schedule: The choices, to be shown when a property fails.
    """

    results: dict[str, object] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    crashed: set[str] = field(default_factory=set)
    schedule: list[str] = field(default_factory=list)


class Run:
    """One execution under a schedule: the given choices first, then no preemption.

    The actor that runs makes the decision before its step, so threads are switched only where
    another one goes on.

    Args:
        actors: The actors by name.
        prefix: The choices to begin with: an actor's name, or ``crash NAME``.
    """

    def __init__(self, actors: Mapping[str, Actor], prefix: Sequence[str]) -> None:
        self.outcome = Outcome()
        self.choices: list[tuple[str, list[str]]] = []
        """Each decision: who was running, and what could have been chosen."""
        self._prefix = list(prefix)
        self._turns = {name: threading.Semaphore(0) for name in actors}
        self._names: dict[threading.Thread, str] = {}
        self._waiting: set[str] = set()
        self._alive = set(actors)
        self._end = threading.Semaphore(0)
        self._threads = {
            name: threading.Thread(target=self._act, args=(name, actor), daemon=True)
            for name, actor in actors.items()
        }

    def step(self, *, waits: bool = False) -> None:
        """Wait for a turn before a request; threads that are not actors do not wait."""
        name = self._names.get(threading.current_thread())
        if name is None:
            return
        if waits:
            self._waiting.add(name)
        chosen = self._choose(name)
        if chosen != name:
            self._turns[chosen].release()
            self._turns[name].acquire()
        self._die_if_crashed(name)

    def sleep(self, seconds: float) -> None:
        """Replace ``time.sleep``: an actor yields to the others, other threads sleep."""
        if threading.current_thread() in self._names:
            self.step(waits=True)
        elif threading.current_thread() is not threading.main_thread():
            # Without the wait, it would spin and take the processor from the actors.
            _SLEEP(seconds)

    def execute(self) -> Outcome:
        """Run to the end."""
        for thread in self._threads.values():
            thread.start()
        self._turns[self._choose("")].release()
        self._end.acquire()
        for thread in self._threads.values():
            thread.join()
        return self.outcome

    def _act(self, name: str, actor: Actor) -> None:
        self._names[threading.current_thread()] = name
        self._turns[name].acquire()
        try:
            self._die_if_crashed(name)
            self.outcome.results[name] = actor()
        except Crashed:
            pass
        except BaseException as error:
            self.outcome.errors[name] = error
        self._alive.discard(name)
        (self._turns[self._choose(name)] if self._alive else self._end).release()

    def _die_if_crashed(self, name: str) -> None:
        if name in self.outcome.crashed:
            raise Crashed

    def _choose(self, running: str) -> str:
        ready = sorted(self._alive - self._waiting) or sorted(self._alive)
        self._waiting.clear()
        options = (
            [running, *(name for name in ready if name != running)] if running in ready else ready
        )
        place = len(self.choices)
        wanted = self._prefix[place] if place < len(self._prefix) else options[0]
        name = wanted.removeprefix(f"{CRASH} ")
        if name not in self._alive:
            name = wanted = options[0]
        if wanted.startswith(CRASH):
            self.outcome.crashed.add(name)
        self.choices.append((running if running in ready else "", options))
        self.outcome.schedule.append(wanted)
        return name


def explore(
    scenario: Callable[[], tuple[Mapping[str, Actor], Callable[[Run], None]]],
    *,
    preemptions: int,
    mortal: Sequence[str] = (),
) -> Iterator[Outcome]:
    """Run a scenario under every schedule within the bounds.

    Args:
        scenario: Makes a fresh world: its actors, and how the world calls `Run.step`.
        preemptions: How often an actor that could go on may be interrupted.
        mortal: Actors that may die, one in a schedule, before any of their steps.

    Yields:
        What became of each schedule, while its world is still there.
    """
    todo: list[tuple[list[str], int, bool]] = [([], 0, False)]
    while todo:
        prefix, used, dead = todo.pop()
        actors, attach = scenario()
        run = Run(actors, prefix)
        attach(run)
        yield run.execute()
        taken = run.outcome.schedule
        for place in range(len(prefix), len(run.choices)):
            running, options = run.choices[place]
            for other in options[1:]:
                cost = used + bool(running)
                if cost <= preemptions:
                    todo.append(([*taken[:place], other], cost, dead))
            if not dead and options[0] in mortal:
                todo.append(([*taken[:place], f"{CRASH} {options[0]}"], used, True))
