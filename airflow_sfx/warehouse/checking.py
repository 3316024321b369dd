"""Running the checks of a frame before its batch is published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.manifest import CheckResult


def run_checks(frame: object, checks: Sequence[Callable[[Any], object]]) -> tuple[CheckResult, ...]:
    """Apply checks to a frame.

    Args:
        frame: The frame as the caller passed it.
        checks: Callables that take the frame. None and true mean that it passed; false, or a text that says what is
            wrong, that it failed. An exception is the check's own failure and is not caught.

    Returns:
        What each found, in order.

    Example:
        >>> run_checks([1, 2], [lambda rows: len(rows) > 5])[0].passed
        False
    """
    return tuple(_run(frame, check) for check in checks)


def refuse_checks_of_stream(checks: Sequence[Callable[[Any], object]]) -> None:
    """Refuse checks of a stream, which is gone once it has been written."""
    if checks:
        raise InvalidName(
            "checks= needs a frame in memory, and this one is a stream that can be read once: store it with "
            "publish=False, check load_dataframe(pin), then publish(pin)"
        )


def _run(frame: object, check: Callable[[Any], object]) -> CheckResult:
    name = str(getattr(check, "name", None) or getattr(check, "__name__", None) or type(check).__name__)
    answer = check(frame)
    if isinstance(answer, str):
        return CheckResult(name, not answer, answer)
    return CheckResult(name, answer is None or bool(answer))
