"""Run checks before a batch is published: of the call, and of the table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.core.manifest import CheckResult, Manifest
from airflow_sfx.warehouse.batch.batch_writer import BatchWriter
from airflow_sfx.warehouse.quality.declared import DeclaredCheck, checks_in
from airflow_sfx.warehouse.quality.subjects import BatchSubject, CheckContext
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_FAILURES = 8
_log = logging.getLogger(__name__)


def run_checks(
    frame: object,
    checks: Sequence[Callable[[Any], object]],
    before: Callable[[], Sequence[Manifest]],
    context: Callable[[], CheckContext] | None = None,
) -> tuple[CheckResult, ...]:
    """Apply checks to a frame.

    Args:
        frame: The frame as the caller passed it.
        checks: Callables that take the frame. None and True mean that it passed; False, or a text
            that says what is wrong, that it failed; so does a failed ``assert``, whose message is
            the text. Nothing else is an answer. Any other exception is the check's own failure and
            is not caught. One that has a method ``with_context`` is given the context and returns
            the callable. One that has a method ``compare`` is given the frame and the manifests of
            the batches that are current. A pandera schema or model validates the frame.
        before: Gives those manifests.
        context: Gives the context, or None for a frame that is not stored.

    Returns:
        What each found, in order.

    Example:
        >>> run_checks([1, 2], [lambda rows: len(rows) > 5], list)[0].passed
        False
    """
    return tuple(_run(frame, check, before, context) for check in checks)


def results_of_table(
    table: Table,
    batches: BatchWriter,
    done: Sequence[CheckResult] = (),
    frame: pa.Table | None = None,
) -> Mapping[str, tuple[CheckResult, ...]]:
    """Run the checks that live with a table on written batches, and keep what they found.

    Args:
        table: The table.
        batches: The written batches, which are not sealed yet.
        done: The results of the call's own checks.
        frame: The rows of the only batch if they are in memory; else they are read from its files,
            the columns that a check needs.

    Returns:
        The results by partition; empty without declared checks.
    """
    declared = checks_in(table.info.parameters, str(table.ref))
    if not declared:
        return {}
    context = CheckContext.of(table, batches.log, batches.drafts, frame)
    results = run_declared(context.batches, declared, done)
    batches.add_results(results)
    for name, found in results.items():
        for one in found:
            if not one.passed and one.severity == "warn":
                _log.warning("%s: %s: %s", table.describe(name), one.name, one.detail)
    return results


def run_declared(
    subjects: Sequence[BatchSubject],
    declared: Sequence[DeclaredCheck],
    done: Sequence[CheckResult] = (),
) -> Mapping[str, tuple[CheckResult, ...]]:
    """Run the checks of a table on each of its batches.

    Args:
        subjects: The batches.
        declared: The table's checks.
        done: The results of the call's own checks, which are not run again.

    Returns:
        What each check found, by partition. A check that does not fit the batch, such as of a
        column that it lacks, has failed.
    """
    # A check that all partitions pass together need not be passed by each of them.
    names = {result.name for result in done} if len(subjects) == 1 else set()
    due = [one for one in declared if one.check.name not in names]
    return {
        subject.manifest.partition: tuple(_judged(subject, one) for one in due)
        for subject in subjects
    }


def _judged(subject: BatchSubject, declared: DeclaredCheck) -> CheckResult:
    try:
        wrong = declared.check.judge(subject)
    except SchemaMismatch as error:
        wrong = str(error)
    return CheckResult(declared.check.name, not wrong, wrong or "", declared.severity)


def check_checks(checks: Sequence[object]) -> None:
    """Raise an error for values that are not checks, before anything is written.

    Raises:
        InvalidName: One is neither callable nor a pandera schema.
    """
    for check in checks:
        if not (callable(check) or hasattr(check, "compare") or _is_pandera(check)):
            raise InvalidName(
                f"checks= holds {check!r:.80}, which is not a check: pass functions of the frame"
            )


def refuse_checks_of_stream(checks: Sequence[Callable[[Any], object]]) -> None:
    """Raise an error for checks of a stream, which can be read only once."""
    if checks:
        raise InvalidName(
            "checks= needs a frame in memory, and this one is a stream that can be read once: store"
            " it with publish=False, check load_dataframe(pin), then publish(pin)"
        )


def _run(
    frame: object,
    check: Callable[[Any], object],
    before: Callable[[], Sequence[Manifest]],
    context: Callable[[], CheckContext] | None,
) -> CheckResult:
    name = str(
        getattr(check, "name", None) or getattr(check, "__name__", None) or type(check).__name__
    )
    try:
        if _is_pandera(check):
            answer: object = _validated(frame, check)
        elif hasattr(check, "compare"):
            answer = check.compare(frame, before())
        elif context is not None and hasattr(check, "with_context"):
            answer = check.with_context(context())(frame)
        else:
            answer = check(frame)
    except AssertionError as error:
        return CheckResult(name, False, str(error) or "an assertion does not hold")
    if isinstance(answer, str):
        return CheckResult(name, not answer, answer)
    return CheckResult(name, answer is None or _truth(answer, name), "")


def _truth(answer: object, name: str) -> bool:
    """Return whether an answer is true; values other than booleans are rejected.

    Python would let a list of problems, the number of bad rows, a pair of an answer and a text, or
    a coroutine that was not awaited pass.

    Raises:
        InvalidName: The answer is neither true nor false.
    """
    refused = InvalidName(
        f"the check {name} returned a {type(answer).__name__}, which is neither true nor false:"
        " return True, False, None or a text that describes the problem; for a column, return"
        " one answer, as with .all()"
    )
    counts = isinstance(answer, Number) or hasattr(type(answer), "__len__")
    if not isinstance(answer, bool) and (counts or not hasattr(type(answer), "__bool__")):
        raise refused
    try:
        return bool(answer)
    except (ValueError, TypeError) as error:  # a column of answers, one a row; pandas' NA
        raise refused from error


def _is_pandera(check: object) -> bool:
    kind = check if isinstance(check, type) else type(check)
    return any(base.__module__.partition(".")[0] == "pandera" for base in kind.__mro__)


def _validated(frame: object, schema: Any) -> str:
    """Return the failures that a pandera schema finds, or empty text."""
    from pandera.errors import SchemaError, SchemaErrors

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        rows = cases.to_dict("records") if hasattr(cases, "to_dict") else [{"check": str(error)}]
        failures = [
            f"{row.get('column')}: {row.get('check')} fails for {row.get('failure_case')!r}"
            for row in rows
        ]
        more = (
            f"; and {len(failures) - _SHOWN_FAILURES} more"
            if len(failures) > _SHOWN_FAILURES
            else ""
        )
        return "; ".join(failures[:_SHOWN_FAILURES]) + more
    except SchemaError as error:
        return str(error)
    return ""
