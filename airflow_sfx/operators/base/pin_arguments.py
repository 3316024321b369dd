"""Replaces pins by frames in the arguments of a task's function."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.hooks.nested_pins import is_lazy, pins_in

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

FrameKind = Literal["pandas", "polars", "arrow"]

_FRAMES: Mapping[tuple[str, str], FrameKind] = {
    ("pandas", "DataFrame"): "pandas",
    ("polars", "DataFrame"): "polars",
    ("pyarrow", "Table"): "arrow",
}
_USUAL_NAMES = {"pd": "pandas", "pl": "polars", "pa": "pyarrow"}
"""Usual names of modules, for text annotations whose imports are for type checkers only."""

_DOTTED = re.compile(r"([A-Za-z_]\w*)((?:\.\w+)*)\.(DataFrame|Table)")


class Load(Protocol):
    """A function that loads the batch of a pin, as `airflow_sfx.load_dataframe`."""

    def __call__(self, pin: BatchPin, /, *, as_: FrameKind) -> Any:
        """Return the batch as a frame of that library."""


@dataclass(frozen=True, slots=True)
class FrameParameter:
    """The frame that a parameter's annotation asks for.

    Args:
        kind: The library of the frame.
        many: Whether it asks for a list of frames, as for the outputs of a mapped task. A pin set
            becomes a dictionary of frames in any case.
    """

    kind: FrameKind
    many: bool = False


def frame_parameter(annotation: object, names: Mapping[str, Any]) -> FrameParameter | None:
    """Return the frame that an annotation asks for.

    Args:
        annotation: A type, or its text if the module has ``from __future__ import annotations``.
        names: The function's globals, which the text refers to.

    Returns:
        The frame, or None if the annotation does not ask for one.

    Example:
        >>> frame_parameter("pd.DataFrame", {})
        FrameParameter(kind='pandas', many=False)
        >>> frame_parameter("list[pl.DataFrame] | None", {})
        FrameParameter(kind='polars', many=True)
        >>> import pyarrow
        >>> frame_parameter(dict[str, pyarrow.Table], {})
        FrameParameter(kind='arrow', many=False)
        >>> frame_parameter("BatchPin", {}) is None
        True
    """
    if isinstance(annotation, str):
        return _from_text(annotation, names)
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        kind = _FRAMES.get((annotation.__module__.partition(".")[0], annotation.__qualname__))
        return FrameParameter(kind) if kind else None
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return next((found for arg in args if (found := frame_parameter(arg, names))), None)
    if origin is typing.Annotated:
        return frame_parameter(args[0], names)
    if isinstance(origin, type) and issubclass(origin, (Sequence, Mapping)) and args:
        named = issubclass(origin, Mapping)
        one = frame_parameter(args[-1] if named else args[0], names)
        return FrameParameter(one.kind, many=not named) if one else None
    return None


def load_arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], load: Load
) -> tuple[list[Any], dict[str, Any], tuple[BatchPin, ...]]:
    """Load the pinned batches of parameters annotated as one or more frames.

    Args:
        function: The task's function.
        args: Its positional arguments.
        kwargs: Its named arguments.
        load: Loads a pin's batch.

    Returns:
        The arguments with frames in place of those pins, and every incoming pin, once, in order.

    Raises:
        InvalidName: Several pins came in for a parameter that is one frame.
    """
    wanted = _wanted_by_argument(function, len(args))
    inputs: dict[BatchPin, None] = {}

    def resolve(key: int | str, value: Any) -> Any:
        if is_lazy(value) and any(pins_in(items := value[:])):
            value = items
        pins = tuple(pins_in(value))
        inputs.update(dict.fromkeys(pins))
        frame = wanted.get(key, wanted.get("**") if isinstance(key, str) else None)
        return (
            value
            if frame is None or not pins
            else _loaded(_name_of(function, key), value, frame, load)
        )

    loaded_args = [resolve(index, value) for index, value in enumerate(args)]
    loaded_kwargs = {name: resolve(name, value) for name, value in kwargs.items()}
    return loaded_args, loaded_kwargs, tuple(inputs)


@contextmanager
def naming_pins(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], log: Logger
) -> Iterator[None]:
    """Name the parameters that got a pin because they have no annotation.

    The log names them, and so does an error in the block, which may come from using a pin as a
    frame.

    Args:
        function: The task's function.
        args: Its positional arguments, as `load_arguments` returns them.
        kwargs: Its named arguments, likewise.
        log: The task's log.
    """
    bare = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.annotation is parameter.empty
    }
    given = named_arguments(function, args, kwargs)
    found = [
        f"the parameter {name!r} has no annotation, so it got the pin and not the rows: annotate it"
        f" ({name}: pandas.DataFrame) to get the rows, or as airflow_sfx.BatchPin"
        for name, value in given
        if name in bare and any(pins_in(value))
    ]
    for note in found:
        log.info("%s", note)
    try:
        yield
    except Exception as error:
        for note in found:
            error.add_note(note)
        raise


def named_arguments(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """Return each argument with the name of its parameter.

    Args:
        function: The function.
        args: The positional arguments.
        kwargs: The named ones.
    """
    positional = [(_name_of(function, index), value) for index, value in enumerate(args)]
    return [*positional, *kwargs.items()]


def _name_of(function: Callable[..., Any], key: int | str) -> str:
    """Return the parameter of an argument; the last has all further arguments."""
    names = list(inspect.signature(function).parameters)
    return names[min(key, len(names) - 1)] if isinstance(key, int) else key


def _loaded(name: str, value: Any, wanted: FrameParameter, load: Load) -> Any:
    """Return an argument with frames in place of its pins."""

    def frame(item: Any) -> Any:
        return load(item, as_=wanted.kind) if isinstance(item, BatchPin) else item

    if isinstance(value, BatchPin):
        return [frame(value)] if wanted.many else frame(value)
    if isinstance(value, Mapping):
        return {one: frame(item) for one, item in value.items()}
    if not wanted.many:
        raise InvalidName(
            f"the parameter {name} is annotated as one frame but got a list of pins, as of a mapped"
            " task: annotate it as a list of frames, such as list[pandas.DataFrame]"
        )
    return [frame(item) for item in value]


def required_pins(value: object, task_id: str) -> list[BatchPin]:
    """Return the pins of a parameter that must have at least one.

    Args:
        value: The parameter.
        task_id: The task, for the message.

    Returns:
        The pins, in order.

    Raises:
        InvalidName: There is no pin.
    """
    whole = isinstance(value, (BatchPin, Mapping))
    found = list(pins_in(value if whole else list(typing.cast("Sequence[object]", value or ()))))
    if not found:
        raise InvalidName(
            f"the task {task_id} has no pin: pass pin= the output of a task that stored or pinned a"
            " batch"
        )
    return found


def plain_pins(value: Any) -> Any:
    """Return pins as an XCom; the outputs of a mapped task become a list."""
    return list(value) if is_lazy(value) else value


def _wanted_by_argument(
    function: Callable[..., Any], positional: int
) -> dict[int | str, FrameParameter]:
    """Return the wanted frames by position and name; ``**`` is for other names."""
    target = inspect.unwrap(function)
    names = getattr(target, "__globals__", {})
    found: dict[int | str, FrameParameter] = {}
    for index, parameter in enumerate(inspect.signature(function).parameters.values()):
        wanted = frame_parameter(parameter.annotation, names)
        if wanted is None:
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            found["**"] = wanted
        elif parameter.kind is parameter.VAR_POSITIONAL:
            found.update(dict.fromkeys(range(index, positional), wanted))
        else:
            found[parameter.name] = wanted
            if parameter.kind is not parameter.KEYWORD_ONLY:
                found[index] = wanted
    return found


def _from_text(text: str, names: Mapping[str, Any]) -> FrameParameter | None:
    """Read an annotation's text, whose names may exist for type checkers only."""
    many = re.search(r"\b(list|List|Sequence|tuple|Tuple|Iterable)\s*\[", text) is not None
    dotted = _DOTTED.search(text)
    if dotted:
        root, _, name = dotted.groups()
        module = names.get(root)
        library = getattr(module, "__name__", None) or _USUAL_NAMES.get(root, root)
        kind = _FRAMES.get((library.partition(".")[0], name))
        return FrameParameter(kind, many) if kind else None
    for word in re.findall(r"\w+", text):
        found = frame_parameter(names[word], names) if isinstance(names.get(word), type) else None
        if found:
            return FrameParameter(found.kind, many)
    # A bare name that only type checkers import is usually that of pandas.
    return (
        FrameParameter("pandas", many)
        if re.search(r"\bDataFrame\b", text) and "DataFrame" not in names
        else None
    )
