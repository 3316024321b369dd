"""What a task that trains a model takes, and what its function returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.hooks.nested_pins import pins_in
from airflow_sfx.operators.base.pin_arguments import named_arguments

TRAIN = "train"
RETURNED = ("model", "metrics", "params", "card", "example")
"""The members of what a function returns that are arguments of `airflow_sfx.models.save`."""
_PAIR = 2


def passed_on(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    inputs: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the named arguments with the inputs for which the function has a free parameter.

    Args:
        function: The task's function.
        args: Its positional arguments.
        kwargs: Its named arguments.
        inputs: The pins by role.

    Example:
        >>> passed_on(lambda train, rate: None, (), {"rate": 1}, {"train": "pin", "test": "other"})
        {'train': 'pin', 'rate': 1}
    """
    free = list(inspect.signature(function).parameters)[len(args) :]
    return {**{role: pin for role, pin in inputs.items() if role in free}, **kwargs}


def inputs_by_role(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    inputs: Mapping[str, Any],
    task_id: str,
) -> dict[str, BatchPin]:
    """Return the pins that a model is trained on: those of ``inputs``, and of the arguments.

    The role of an argument is the name of its parameter, or of the key in a pin set. If one alone
    has pins, it is ``train``, unless ``inputs`` has that.

    Args:
        function: The task's function.
        args: Its positional arguments.
        kwargs: Its named arguments.
        inputs: The pins by role.
        task_id: The task, for messages.

    Raises:
        InvalidName: Several pins came in and none is ``train``, or one role has two tables.

    Example:
        >>> one = BatchPin("air", "flights", "s3://b/air.db/flights", (("1", "20161101002256"),))
        >>> two = BatchPin("air", "weather", "s3://b/air.db/weather", (("1", "20161101002256"),))
        >>> list(inputs_by_role(lambda flights: None, [one], {}, {}, "fit"))
        ['train']
        >>> list(inputs_by_role(lambda train, test: None, [one], {"test": two}, {}, "fit"))
        ['train', 'test']
    """
    named = {role: _merged(role, list(pins_in(pin)), task_id) for role, pin in inputs.items()}
    found = {role: pin for role, pin in named.items() if pin is not None}
    known = {pin for given in inputs.values() for pin in pins_in(given)}
    arguments: dict[str, list[BatchPin]] = {}
    for name, value in named_arguments(function, args, kwargs):
        for role, part in value.items() if isinstance(value, Mapping) else [(name, value)]:
            new = [pin for pin in pins_in(part) if pin not in known]
            arguments.setdefault(str(role), []).extend(new)
    new_roles = [role for role, pins in arguments.items() if pins]
    if TRAIN not in found and len(new_roles) == 1:
        arguments = {TRAIN: arguments[new_roles[0]]}
    for role, pins in arguments.items():
        pin = _merged(role, pins, task_id)
        if pin is not None and role in found:
            raise InvalidName(
                f"the task {task_id} has inputs= of the role {role!r} and another pin for the"
                f" parameter {role}: leave one out"
            )
        if pin is not None:
            found[role] = pin
    if found and TRAIN not in found:
        raise InvalidName(
            f"the task {task_id} has pins of {', '.join(found)}, and none of {TRAIN!r}, which is"
            f" what the model is trained on: call a parameter {TRAIN}, or pass"
            f" inputs={{{TRAIN!r}: pin}}"
        )
    return found


def returned_parts(result: Any, task_id: str) -> dict[str, Any]:
    """Return what the function of a task returned as arguments of `airflow_sfx.models.save`.

    Args:
        result: The model; a pair of the model and its metrics; or a mapping with ``model`` and any
            of ``metrics``, ``params``, ``card`` and ``example``.
        task_id: The task, for messages.

    Raises:
        TypeError: It is none of these; nothing was saved.

    Example:
        >>> returned_parts(("the model", {"auc": 0.8}), "fit")
        {'model': 'the model', 'metrics': {'auc': 0.8}}
    """
    if isinstance(result, tuple) and len(result) == _PAIR and isinstance(result[1], Mapping):
        return {"model": result[0], "metrics": result[1]}
    if isinstance(result, Mapping) and "model" in result and set(result) <= set(RETURNED):
        return dict(result)
    if result is None or isinstance(result, (tuple, Mapping)):
        shown = "None (is a return statement missing?)" if result is None else f"{result!r:.80}"
        raise TypeError(
            f"the function of the task {task_id} returned {shown}: return a model, a model and its"
            f" metrics, or a dict with any of {', '.join(RETURNED)}"
        )
    return {"model": result}


def _merged(role: str, pins: Sequence[BatchPin], task_id: str) -> BatchPin | None:
    """Return pins of one table as one, such as those of a mapped task."""
    if not pins:
        return None
    batches: dict[str, str] = {}
    for pin in pins:
        both = batches.keys() & pin.batches.keys()
        if (pin.ref, pin.location) != (pins[0].ref, pins[0].location) or any(
            batches[name] != pin.batches[name] for name in both
        ):
            raise InvalidName(
                f"the task {task_id} has {pins[0]} and {pin} for the role {role!r}, which is one"
                " batch of each partition of one table: pass them to parameters of their own"
            )
        batches |= pin.batches
    return BatchPin.of(pins[0].ref, pins[0].location, batches)
