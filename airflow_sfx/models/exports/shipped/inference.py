"""Answers from an exported model, for MLflow and for SageMaker.

An export has a copy of this file, and of the modules of airflow_sfx that read an artifact, for
places where the package is not installed. MLflow calls `_load_pyfunc`; SageMaker calls
`model_fn`, `input_fn`, `predict_fn` and `output_fn`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.models.flavours.base import Answers
    from airflow_sfx.models.model import Model

if find_spec("airflow_sfx") is None:
    sys.path.append(str(Path(__file__).with_name("reader")))

_JSON = "application/json"


def _load(path: Path, trust: Sequence[str] = ()) -> Model:
    from airflow_sfx.models.model import load_artifact

    return load_artifact(path.read_bytes(), path.name, trust=trust)


class _PyFunc:
    """A model as MLflow calls it."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return a row for each row: the prediction, and the probabilities of a classifier."""
        import pandas as pd

        answers = self.model.answers(model_input).as_dict()
        columns = {
            name: values if values.ndim == 1 else values.tolist()
            for name, values in answers.items()
        }
        return pd.DataFrame(columns, index=getattr(model_input, "index", None))


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> _PyFunc:
    """Load the artifact at a path; ``trust`` of the configuration is that of `ModelRegistry.load`.

    An empty ``trust`` is in the export, as MLflow takes only members that are there.
    """
    return _PyFunc(_load(Path(path), (model_config or {}).get("trust", ())))


def model_fn(model_dir: str, context: object = None) -> Model:
    """Load the artifact in a folder."""
    (path,) = Path(model_dir).glob("*.zip")
    return _load(path)


def input_fn(body: str | bytes, content_type: str = _JSON, context: object = None) -> list[Any]:
    """Return the rows of a request: JSON records, or one."""
    if content_type.partition(";")[0].strip().lower() != _JSON:
        raise ValueError(f"the content type {content_type!r:.80} is unknown: send {_JSON}")
    found = json.loads(body)
    return found if isinstance(found, list) else [found]


def predict_fn(rows: list[Any], model: Model, context: object = None) -> tuple[str, Answers]:
    """Return the version, and its answers for rows."""
    return str(model), model.answers(rows)


def output_fn(
    found: tuple[str, Answers], accept: str = _JSON, context: object = None
) -> tuple[str, str]:
    """Return the response to a request, as `sfx serve` has it, and its content type."""
    from airflow_sfx.models.describe.golden import as_records

    version, answers = found
    return json.dumps({"model": version, "predictions": as_records(answers)}), _JSON
