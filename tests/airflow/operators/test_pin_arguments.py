"""The frames that a task's function gets for its pins."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pandas as pd
import pytest

from airflow_sfx import BatchPin, InvalidName
from airflow_sfx.operators.base.pin_arguments import (
    frame_parameter,
    load_arguments,
    naming_pins,
)

LEFT, RIGHT = (
    BatchPin("s", name, f"s3://b/s.db/{name}", (("p", "20161101002256"),))
    for name in ("left", "right")
)


def loaded(function, *args, **kwargs):
    """The arguments with a text in place of each frame, and the inputs."""
    return load_arguments(function, args, kwargs, lambda pin, as_: f"{as_} of {pin.table}")


def test_a_pin_set_becomes_a_dictionary_of_frames():
    def function(both: dict[str, pd.DataFrame], other: Mapping[str, BatchPin]): ...

    args, kwargs, inputs = loaded(
        function, {"left": LEFT, "right": RIGHT, "n": 1}, other={"left": LEFT}
    )
    assert args == [{"left": "pandas of left", "right": "pandas of right", "n": 1}]
    assert kwargs == {"other": {"left": LEFT}}
    assert inputs == (LEFT, RIGHT)


def test_a_dictionary_is_asked_for_by_a_type_as_by_its_text():
    assert frame_parameter(dict[str, pd.DataFrame], {}) == frame_parameter(
        "dict[str, pd.DataFrame]", {}
    )


@pytest.mark.parametrize("by_name", [True, False])
def test_many_pins_for_one_frame_are_refused_with_what_to_write(by_name):
    def function(days: pd.DataFrame): ...

    given = [LEFT, RIGHT]
    with pytest.raises(
        InvalidName,
        match=r"the parameter days is annotated as one frame .* list\[pandas.DataFrame\]",
    ):
        loaded(function, days=given) if by_name else loaded(function, given)


@pytest.mark.parametrize("by_name", [True, False])
def test_an_error_with_a_pin_in_a_parameter_without_annotation_names_it(by_name, caplog):
    def function(sold, rate, whole: BatchPin, frame: pd.DataFrame):
        return sold.groupby("item")

    args = (LEFT, 2, RIGHT, LEFT)
    names = ("sold", "rate", "whole", "frame")
    given = ((), dict(zip(names, args, strict=True))) if by_name else (args, {})
    log = logging.getLogger("a task")
    with caplog.at_level("INFO"), pytest.raises(AttributeError, match="load_dataframe") as raised:
        args, kwargs, _ = loaded(function, *given[0], **given[1])
        with naming_pins(function, args, kwargs, log):
            function(*args, **kwargs)
    (note,) = raised.value.__notes__
    assert "'sold' has no annotation" in note
    assert "sold: pandas.DataFrame" in note
    assert note in caplog.text
