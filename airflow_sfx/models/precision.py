"""A model whose components are kept in fewer digits, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, ModelRefused, SfxError
from airflow_sfx.models.describe.components import ComponentPrecision
from airflow_sfx.models.describe.inputs import Input
from airflow_sfx.models.flavours.base import Flavour
from airflow_sfx.models.schema.fitting import fits
from airflow_sfx.models.schema.rows import columns_of, frame_of
from airflow_sfx.models.schema.signature import Feature, Signature

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.components.precision import Precision

EXAMPLE = "example"
"""In place of a role, for rows that were passed as ``example=``."""
_ROLES = ("validation", "validate", "train", EXAMPLE)
"""The roles whose predictions are compared: the first that has rows."""
_SEARCHED = 10_000
"""Above so many rows, digits are searched on a part of them, and checked on all."""


@dataclass(frozen=True, slots=True)
class InPrecision:
    """A model in fewer digits.

    Args:
        model: The model with the components as they are unpacked.
        packed: The packed components by name.
        kept: How they were packed, and what changed.
    """

    model: object
    packed: Mapping[str, bytes]
    kept: ComponentPrecision


def check_precision(precision: Precision) -> None:
    """Raise an error for what is not a precision.

    Raises:
        InvalidName: It is not one.
    """
    from airflow_sfx.components.precision import bound_of

    bound_of(precision, "predictions")


def in_precision(
    flavour: Flavour,
    model: object,
    precision: Precision,
    features: Sequence[Feature],
    frames: Mapping[str, pd.DataFrame],
    inputs: Sequence[Input],
) -> InPrecision:
    """Pack the components that a model is scored by in fewer digits.

    Args:
        flavour: The model's flavour.
        model: The model.
        precision: The precision, which is not ``exact``.
        features: The columns that the model takes.
        frames: Rows by role.
        inputs: The batches by role.

    Returns:
        The model that is saved in its place, and its packed components.

    Raises:
        InvalidName: It is not a precision, or there are no rows to compare.
        ModelRefused: The model is not scored by components, or fails on the rows.
        SchemaMismatch: The rows lack a column of the model, or it does not predict numbers.
    """
    from airflow_sfx.components import pack_all, unpack

    check_precision(precision)
    parts = flavour.scoring_components(model, features)
    if not parts:
        raise ModelRefused(
            f"precision={precision!r:.80} packs the components that score a model in fewer digits,"
            f" and this model of {flavour.name} is not scored by components: save it with"
            " precision='exact'"
        )
    role = next(one for one in _ROLES if one in frames)
    rows = _comparable(frames[role], features, role)

    def predict(components: Mapping[str, Any], frame: pd.DataFrame) -> Any:
        answers = flavour.answers(flavour.with_components(model, components), frame)
        return answers.prediction if answers.probability is None else answers.probability

    try:
        found = pack_all(
            parts, precision=precision, predict=predict, validation=rows, sample=_sample(rows)
        )
    except SfxError:
        raise
    except Exception as error:  # of any model
        raise ModelRefused(
            f"the model does not predict the rows of the role {role!r} ({error}), which its"
            " precision is measured on: pass batches with rows as it gets them"
        ) from error
    kept = ComponentPrecision(
        precision,
        role,
        [uri for one in inputs if one.role == role != EXAMPLE for uri in one.uris],
        len(rows),
        found.reached or 0.0,
        found.choices,
    )
    values = {name: unpack(data) for name, data in found.components.items()}
    return InPrecision(flavour.with_components(model, values), found.components, kept)


def _comparable(frame: pd.DataFrame, features: Sequence[Feature], role: str) -> pd.DataFrame:
    """Return the rows that the model scores, as `predict` gives them to it."""
    signature = Signature(tuple(features), ())
    rows = frame[fits(frame, signature)]
    if not len(rows):
        raise InvalidName(
            f"no row of the role {role!r} has values for all columns of the model, and precision="
            " is measured on them: pass inputs={'validation': pin} with rows that have"
        )
    return frame_of(signature, columns_of(signature, rows))


def _sample(rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return a part of very many rows to search on, or None for all."""
    return None if len(rows) <= _SEARCHED else rows.iloc[:: -(-len(rows) // _SEARCHED)]
