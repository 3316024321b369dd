"""The attempts of a DAG run: its commits, from each time that its tasks ran.

A run whose tasks are cleared runs again under the same run ID. A new attempt begins where a task
instance commits again with a newer attempt of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from airflow_sfx.core.producer import Producer


def attempts_of(commits: Iterable[tuple[str, Producer]]) -> list[list[str]]:
    """Divide the commits of a run into its attempts.

    Args:
        commits: The commits' IDs, which sort by time, and their producers.

    Returns:
        The commits of each attempt, newest attempt first.

    Example:
        >>> def task(name: str, number: int) -> Producer:
        ...     return Producer(dag_id="nightly", run_id="r1", task_id=name, try_number=number)
        >>> attempts_of(
        ...     [("1", task("load", 1)), ("2", task("sum", 1)), ("3", task("sum", 2))]
        ... )
        [['3'], ['2', '1']]
    """
    found: list[list[str]] = []
    seen: dict[str, str] = {}
    for commit, producer in sorted(commits, key=lambda one: one[0], reverse=True):
        instance, number = producer.attempt or ("", "")
        if not found or seen.get(instance, number) != number:
            found.append([])
            seen = {}
        if instance:
            seen[instance] = number
        found[-1].append(commit)
    return found
