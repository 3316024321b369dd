"""The rows that a model was trained on, from its batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.warehouse import Warehouse, require_pin

if TYPE_CHECKING:
    import pandas as pd

TRAIN = "train"
_LOADED = (TRAIN, "validate", "validation")
"""The roles whose rows are described, and compared with the portable scorer."""
_MOST_ROWS = 1_000_000
"""Above this, a part of the rows is described."""


def check_inputs(inputs: Mapping[str, BatchPin], example: object) -> dict[str, BatchPin]:
    """Return the pins by role, those of the training first.

    Args:
        inputs: The argument.
        example: The rows that were passed, or None.

    Raises:
        InvalidName: A role is not text, what it names is not a pin, or there are no rows at all.
    """
    if not isinstance(inputs, Mapping):
        raise InvalidName(
            f"inputs={inputs!r:.80} does not map roles to pins: pass {{'train': pin}}"
        )
    for role, pin in inputs.items():
        if not isinstance(role, str) or not role.isidentifier():
            raise InvalidName(f"{role!r:.80} is not a role of inputs=: use 'train' or 'test'")
        require_pin(pin)
        if not pin.entries:
            raise InvalidName(f"the pin of the role {role!r} has no batches: pass one with rows")
    if TRAIN not in inputs and example is None:
        raise InvalidName(
            "a model is saved with the batches that it was trained on: pass inputs={'train': pin},"
            " or example=frame with rows as it gets them"
        )
    return dict(sorted(inputs.items(), key=lambda item: (item[0] != TRAIN, item[0])))


def training_frames(
    warehouse: Warehouse,
    pins: Mapping[str, BatchPin],
    rows: Mapping[str, int],
    example: object,
) -> dict[str, pd.DataFrame]:
    """Return the rows to describe by role, those that the model was trained on first.

    Args:
        warehouse: The warehouse.
        pins: The batches by role.
        rows: How many rows they have, by role.
        example: Rows to use instead of those of the training, or None.

    Raises:
        InvalidName: There are no rows.
    """
    frames: dict[str, pd.DataFrame] = {}
    if example is not None:
        frames[TRAIN] = _pandas(example)
    else:
        for role in _LOADED:
            if role in pins:
                frames[role] = load_rows(warehouse, pins[role], rows[role])
    if not len(frames[TRAIN]):
        raise InvalidName("there are no rows to describe the model by: pass some as example=frame")
    return frames


def _pandas(example: object) -> pd.DataFrame:
    import pandas as pd

    if isinstance(example, pd.DataFrame):
        return example
    if hasattr(example, "to_pandas"):
        return cast("pd.DataFrame", cast(Any, example).to_pandas())
    raise InvalidName(
        f"example= is a {type(example).__name__}, not a frame: pass a DataFrame with rows as the"
        " model gets them"
    )


def load_rows(warehouse: Warehouse, pin: BatchPin, rows: int) -> pd.DataFrame:
    """Return the rows of a pin, or every Nth of very many.

    Args:
        warehouse: The warehouse.
        pin: The batches.
        rows: How many rows they have.
    """
    import pandas as pd

    if rows <= _MOST_ROWS:
        return warehouse.load_dataframe(pin)
    step = -(-rows // _MOST_ROWS)
    parts = warehouse.load_dataframe(pin, batches=True)
    return pd.concat([part.iloc[::step] for part in parts], ignore_index=True)
