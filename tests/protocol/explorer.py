"""An explorer that runs real code under every schedule of several actors.

The schedules have few preemptions and crashes.

Each request to storage or metastore is a step. Only one actor runs at a time; before each step the
explorer decides who goes on, who dies there, or whose request gets no answer: it failed, it took
effect, or it takes effect later, when its sender has returned. Schedules are enumerated depth first
without keeping states (stateless model checking with a bound on preemptions: Musuvathi and Qadeer,
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
FAIL, LOSE, DELAY = "fail", "lose", "delay"
"""What may become of a request whose sender gets no answer: never there, done, done later."""
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
        unanswered: Whose request got no answer.
        schedule: The choices, to be shown when a property fails.
    """

    results: dict[str, object] = field(default_factory=dict)
    errors: dict[str, BaseException] = field(default_factory=dict)
    crashed: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    schedule: list[str] = field(default_factory=list)


class Run:
    """One execution under a schedule: the given choices first, then no preemption.

    The actor that runs makes the decision before its step, so threads are switched only where
    another one goes on.

    Args:
        actors: The actors by name.
        prefix: The choices to begin with: an actor's name, or ``FATE NAME``.
    """

    def __init__(self, actors: Mapping[str, Actor], prefix: Sequence[str]) -> None:
        self.outcome = Outcome()
        self.choices: list[tuple[str, list[str], tuple[str, ...]]] = []
        """Each decision: who was running, who could have been chosen, and the first one's fates."""
        self._prefix = list(prefix)
        self._turns = {name: threading.Semaphore(0) for name in actors}
        self._names: dict[threading.Thread, str] = {}
        self._waiting: set[str] = set()
        self._alive = set(actors)
        self._fates: dict[str, tuple[str, ...]] = {}
        self._delayed: list[Callable[[], object]] = []
        self._fate = ""
        """The fate of the request of the actor that goes on."""
        self._end = threading.Semaphore(0)
        self._threads = {
            name: threading.Thread(target=self._act, args=(name, actor), daemon=True)
            for name, actor in actors.items()
        }

    def step(self, *, waits: bool = False, fates: tuple[str, ...] = ()) -> str:
        """Wait for a turn before a request; threads that are not actors do not wait.

        Args:
            waits: Whether another actor must go on first.
            fates: What may become of the request instead of an answer.

        Returns:
            The request's fate; empty text if it is answered.
        """
        name = self._names.get(threading.current_thread())
        if name is None:
            return ""
        if waits:
            self._waiting.add(name)
        self._fates[name] = fates
        chosen = self._choose(name)
        if chosen != name:
            self._turns[chosen].release()
            self._turns[name].acquire()
        self._die_if_crashed(name)
        fate = self._fate
        self._fate, self._fates[name] = "", ()
        return fate

    def delay(self, effect: Callable[[], object]) -> None:
        """Let a request of the running actor take effect when the actor has returned."""
        self._delayed.append(effect)

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
        while self._delayed:
            self._delayed.pop()()
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
        fate, _, name = wanted.rpartition(" ")
        if name not in self._alive:
            fate, name, wanted = "", options[0], options[0]
        if fate == CRASH:
            self.outcome.crashed.add(name)
        elif fate:
            self.outcome.unanswered.add(name)
            self._fate = fate
        first = (CRASH, *self._fates.get(options[0], ()))
        self.choices.append((running if running in ready else "", options, first))
        self.outcome.schedule.append(wanted)
        return name


def explore(
    scenario: Callable[[], tuple[Mapping[str, Actor], Callable[[Run], None]]],
    *,
    preemptions: int,
    mortal: Sequence[str] = (),
    unanswered: Sequence[str] = (),
) -> Iterator[Outcome]:
    """Run a scenario under every schedule within the bounds.

    Args:
        scenario: Makes a fresh world: its actors, and how the world calls `Run.step`.
        preemptions: How often an actor that could go on may be interrupted.
        mortal: Actors that may die, one in a schedule, before any of their steps.
        unanswered: Actors of which a request may get no answer, one in a schedule.

    Yields:
        What became of each schedule, while its world is still there.
    """
    todo: list[tuple[list[str], int, bool]] = [([], 0, False)]
    while todo:
        prefix, used, disturbed = todo.pop()
        actors, attach = scenario()
        run = Run(actors, prefix)
        attach(run)
        yield run.execute()
        taken = run.outcome.schedule
        for place in range(len(prefix), len(run.choices)):
            running, options, fates = run.choices[place]
            for other in options[1:]:
                cost = used + bool(running)
                if cost <= preemptions:
                    todo.append(([*taken[:place], other], cost, disturbed))
            if disturbed:
                continue
            todo += [
                ([*taken[:place], f"{fate} {options[0]}"], used, True)
                for fate in fates
                if options[0] in (mortal if fate == CRASH else unanswered)
            ]
