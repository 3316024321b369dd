"""All flavours, and which one a model is of."""

from __future__ import annotations

from functools import cache

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.flavours.base import Flavour
from airflow_sfx.models.flavours.coefficients import CoefficientsFlavour
from airflow_sfx.models.flavours.function import FunctionFlavour
from airflow_sfx.models.flavours.lightgbm import LightgbmFlavour
from airflow_sfx.models.flavours.onnx import OnnxFlavour
from airflow_sfx.models.flavours.r.flavour import RFlavour
from airflow_sfx.models.flavours.sklearn import SklearnFlavour
from airflow_sfx.models.flavours.spark.flavour import SparkFlavour
from airflow_sfx.models.flavours.xgboost import XgboostFlavour

_FLAVOURS: tuple[type[Flavour], ...] = (
    CoefficientsFlavour,
    FunctionFlavour,
    XgboostFlavour,
    LightgbmFlavour,
    OnnxFlavour,
    RFlavour,
    SparkFlavour,
    SklearnFlavour,
)
"""The flavours; estimators of xgboost and lightgbm are also estimators of scikit-learn."""


@cache
def flavours() -> dict[str, Flavour]:
    """Return the flavours by name.

    Example:
        >>> "xgboost" in flavours()
        True
    """
    return {one.name: one() for one in _FLAVOURS}


def flavour_of(model: object) -> Flavour:
    """Return the flavour of a model.

    Args:
        model: The model.

    Raises:
        ModelRefused: It is of no flavour.

    Example:
        >>> from airflow_sfx.models.flavours.coefficients import Coefficients
        >>> flavour_of(Coefficients({"distance": 0.5})).name
        'coefficients'
    """
    found = next((one for one in flavours().values() if one.matches(model)), None)
    if found is None:
        raise ModelRefused(
            f"a {type(model).__module__}.{type(model).__name__} is not a model that can be saved:"
            f" pass one of {', '.join(flavours())}; Coefficients(…) holds those of any linear"
            " model, and FunctionModel(…) a function of your own"
        )
    return found


def flavour_named(name: str, where: str) -> Flavour:
    """Return a flavour by its name in an artifact.

    Args:
        name: The name.
        where: The artifact, for messages.

    Raises:
        ModelRefused: There is none.
    """
    found = flavours().get(name)
    if found is None:
        raise ModelRefused(
            f"{where} has a model of the flavour {name!r:.80}, which this version does not know:"
            " install a later airflow_sfx"
        )
    return found
