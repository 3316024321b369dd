"""Builds the artifact of a model: measures, describes and packs it."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, ModelRefused, SfxError
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import compact
from airflow_sfx.models.artifact.rules import FIRST
from airflow_sfx.models.artifact.writer import write_artifact
from airflow_sfx.models.describe import golden
from airflow_sfx.models.describe.card import CARD, card_of
from airflow_sfx.models.describe.code import DIFF, GIT, TRAIN, code_of, imports_of, trainer_of
from airflow_sfx.models.describe.components import (
    PRECISION,
    ComponentPrecision,
    component_entries,
)
from airflow_sfx.models.describe.environment import (
    LOCK,
    PLATFORM,
    Package,
    lock_of,
    packages_of,
    platform_json,
)
from airflow_sfx.models.describe.golden import Deviation, deviation
from airflow_sfx.models.describe.inputs import PINS, Input, to_json
from airflow_sfx.models.describe.profile import PROFILE, profile_of
from airflow_sfx.models.describe.provenance import PROVENANCE, provenance_of
from airflow_sfx.models.describe.sbom import SBOM, sbom_of
from airflow_sfx.models.describe.train_again import train_again
from airflow_sfx.models.flavours.base import Answers, Flavour, Native, Traits
from airflow_sfx.models.flavours.coefficients import COEFFICIENTS
from airflow_sfx.models.flavours.detect import flavour_of
from airflow_sfx.models.flavours.onnx import ONNX, OnnxScorer
from airflow_sfx.models.flavours.r.tree import TREE
from airflow_sfx.models.precision import EXAMPLE, in_precision
from airflow_sfx.models.record import FORMAT, ModelRecord, ScorerKind
from airflow_sfx.models.schema.rows import columns_of, frame_of
from airflow_sfx.models.schema.signature import Signature, outputs_of, signature_of

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.components.precision import Precision

TOLERANCE = 1e-5
"""How much the portable scorer may differ: relative to the size of numbers above 1."""
_COMPARED = 10_000
_WHERE = "the model"
_ALWAYS = ("pandas", "numpy", "pyarrow")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Training:
    """What is known of a model's training.

    Args:
        inputs: The batches by role.
        frames: Their rows by role, or samples of them; the first are those that it was trained on.
        target: The column that it predicts, or None.
        params: The parameters of the training.
        metrics: The metrics.
        card: What people say, by part of the card.
        modules: The modules that trained it.
        tolerance: How much the portable scorer may differ.
        pickle: Whether a pickle may be saved.
        trained_by: The function that trained it, or None.
        code: The entries of the code of an artifact, instead of capturing that of ``modules``.
        precision: In how many digits the components are kept.
        example: Whether the first frame was passed as ``example=``, and is not of the batches.
    """

    inputs: Sequence[Input]
    frames: Mapping[str, pd.DataFrame]
    target: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    card: Mapping[str, str] = field(default_factory=dict)
    modules: Sequence[ModuleType] = ()
    tolerance: float = TOLERANCE
    pickle: bool = False
    trained_by: Callable[..., object] | None = None
    code: Mapping[str, bytes] | None = None
    precision: Precision = "exact"
    example: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """An artifact without its name and version.

    Args:
        entries: What does not depend on them.
        digest: The digest of these: two trainings that give the same have the same.
        record: The members of ``MODEL.json``, with an empty name and version.
        signature: What the model takes and gives.
        packages: The packages that it was trained with.
        parity: How much the portable scorer differs, or None without one.
        training: What is known of its training.
        kept: How the components were packed, or None if they are exact.
    """

    entries: Mapping[str, bytes]
    digest: str
    record: ModelRecord
    signature: Signature
    packages: Sequence[Package]
    parity: Deviation | None
    training: Training
    kept: ComponentPrecision | None = None


def build(model: object, training: Training) -> Content:
    """Measure and describe a model.

    Args:
        model: The model.
        training: What is known of its training.

    Returns:
        The content of the artifact.

    Raises:
        ModelRefused: The model is of no flavour, or cannot be saved without a pickle.
        SchemaMismatch: The rows are not those that it was trained on.
        InvalidName: A metric or a parameter cannot be stored, or the precision is not one.
    """
    flavour = flavour_of(model)
    traits = flavour.traits(model)
    frame = next(iter(training.frames.values()))
    features = signature_of(frame, traits.features, training.target)
    frame = frame[[one.name for one in features]]
    near = None
    if training.precision != "exact":
        frames = {EXAMPLE: frame} if training.example else training.frames
        near = in_precision(flavour, model, training.precision, features, frames, training.inputs)
        model = near.model  # which is what is saved: its answers are the golden ones
    signature, rows, expected = _compared(flavour, model, traits, features, frame)
    native = flavour.native(model, pickle=training.pickle)
    entries = _examples(signature, rows, expected)
    portable, parity = _portable(flavour, model, signature, rows, expected, training.tolerance)
    if portable is not None:
        entries[ONNX] = portable
    if native is not None:
        entries[native.path] = native.content
    entries |= component_entries(
        flavour.components(model, features), {} if near is None else near.packed
    )
    if near is not None:
        entries[PRECISION] = near.kept.to_json()
    scorer = _scorer(portable, native, entries, flavour)
    entries |= {
        "signature.json": compact(signature.to_json()).encode(),
        "params.json": _json("params", {**_finite(traits.parameters or {}), **training.params}),
        "metrics.json": _metrics(training.metrics),
        PINS: to_json(training.inputs),
        PROFILE: profile_of(training.frames, _at_random(expected)),
    }
    code = _code(training)
    packages = packages_of({flavour.library[0], *_ALWAYS, *imports_of(code)} - {""})
    entries |= {**code, LOCK: lock_of(packages), PLATFORM: platform_json()}
    record = ModelRecord(
        FORMAT,
        "",
        "",
        flavour.name,
        traits.task,
        scorer,
        digest_of(entries),
        target=training.target or "",
        native=native.path if native else "",
        trust=native.trust if native else (),
        tolerance=training.tolerance,
        parity_rows=parity.rows if portable and parity else 0,
        parity=parity.greatest if portable and parity else 0.0,
        note="" if portable or scorer == "components" else _why(parity, training.tolerance),
        libraries=_libraries(flavour, packages, portable is not None),
        metrics={name: float(value) for name, value in training.metrics.items()},
    )
    kept = None if near is None else near.kept
    return Content(entries, record.digest, record, signature, packages, parity, training, kept)


def _code(training: Training) -> dict[str, bytes]:
    if training.code is not None:
        return dict(training.code)
    code = code_of(training.modules)
    if training.trained_by is not None:
        _json("params", training.params)
        code[TRAIN] = trainer_of(training.trained_by, training.modules, training.params)
    return code


def digest_of(entries: Mapping[str, bytes]) -> str:
    """Return the digest of entries: of the names and sums of all but the state of a repository.

    Example:
        >>> digest_of({"a": b"1"}) == digest_of({"a": b"1", "code/git.json": b"{}"})
        True
    """
    lines = (
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in sorted(entries.items())
        if name not in (GIT, DIFF)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def finish(content: Content, name: str, version: str, producer: Producer) -> bytes:
    """Pack an artifact.

    Args:
        content: Its content.
        name: The model's name.
        version: Its version.
        producer: Who trained it.

    Returns:
        The zip file.
    """
    training = content.training
    record = replace(content.record, name=name, version=version)
    sources = {one: data for one, data in content.entries.items() if one.startswith("code/")}
    sums = {one: hashlib.sha256(data).hexdigest() for one, data in sources.items()}
    metrics, params = training.metrics, training.params
    card = card_of(
        record,
        content.signature,
        training.inputs,
        metrics,
        params,
        training.card,
        train_again(record, training.inputs, content.entries),
        content.parity,
        content.kept,
    )
    return write_artifact(
        {
            **content.entries,
            FIRST: record.to_bytes(),
            CARD: card.encode(),
            SBOM: sbom_of(name, version, record.task, content.packages, training.inputs, metrics),
            PROVENANCE: provenance_of(
                name,
                version,
                content.digest,
                training.inputs,
                content.packages,
                sums,
                params,
                producer,
            ),
        },
        f"{name}/{version}",
    )


def _compared(
    flavour: Flavour, model: object, traits: Traits, features: Any, frame: pd.DataFrame
) -> tuple[Signature, pd.DataFrame, Answers]:
    """Return the signature, and rows with the model's own answers to compare others with."""
    names = [one.name for one in features]
    rows = golden.choose(frame, names, more=_COMPARED)
    inputs = Signature(tuple(features), ())
    # The model sees what `predict` will make of the same rows.
    rows = frame_of(inputs, columns_of(inputs, rows))
    try:
        expected = flavour.answers(model, rows)
    except SfxError:
        raise
    except Exception as error:  # of any model
        raise ModelRefused(
            f"the model does not predict the rows of its training batches ({error}): pass rows as"
            " it gets them, as example=frame"
        ) from error
    outputs = outputs_of(traits.task, traits.classes, expected.as_dict())
    return Signature(tuple(features), outputs), rows, expected


def _examples(signature: Signature, rows: pd.DataFrame, expected: Answers) -> dict[str, bytes]:
    count = min(golden.ROWS, len(rows))
    columns = columns_of(signature, rows.head(count))
    answers = {name: array[:count] for name, array in expected.as_dict().items()}
    return {
        golden.INPUT: compact(golden.to_json(columns.arrays)).encode(),
        golden.OUTPUT: compact(golden.to_json(answers)).encode(),
    }


def _at_random(expected: Answers) -> Answers:
    """Return the answers to the rows that were chosen at random, without golden ones."""
    if len(expected.prediction) <= golden.ROWS:
        return expected
    probability = expected.probability
    return Answers(
        expected.prediction[golden.ROWS :],
        None if probability is None else probability[golden.ROWS :],
    )


def _portable(
    flavour: Flavour,
    model: object,
    signature: Signature,
    rows: pd.DataFrame,
    expected: Answers,
    tolerance: float,
) -> tuple[bytes | None, Deviation | None]:
    """Return the first portable scorer that agrees with the model, and how much it differs."""
    columns = columns_of(signature, rows)
    closest: Deviation | None = None
    for candidate in flavour.portable(model, signature.inputs, rows):
        try:
            scorer = OnnxScorer(candidate, signature.names, signature.outputs[0].classes, _WHERE)
            found = deviation(expected, scorer.answers(columns))
        except (SfxError, ValueError, TypeError) as error:
            _log.debug("A conversion to ONNX does not score the model's rows: %s", error)
            continue
        if found.within(tolerance):
            return candidate, found
        if closest is None or (found.labels, found.greatest) < (closest.labels, closest.greatest):
            closest = found
    return None, closest


def _scorer(
    portable: bytes | None,
    native: Native | None,
    entries: Mapping[str, bytes],
    flavour: Flavour,
) -> ScorerKind:
    if portable is not None:
        return "onnx"
    if native is None and (COEFFICIENTS in entries or TREE in entries):
        return "components"
    if native is None:
        raise ModelRefused(
            f"the model of {flavour.name} has no form that can be saved: onnxruntime does not load"
            " it, and it has no native form"
        )
    return "native"


def _why(parity: Deviation | None, tolerance: float) -> str:
    if parity is None:
        return "It could not be converted to ONNX."
    return (
        f"ONNX differs on {parity.rows} rows by up to {parity.greatest:.3g} and in"
        f" {parity.labels} classes, more than the tolerance of {tolerance:.0e}."
    )


def _metrics(metrics: Mapping[str, float]) -> bytes:
    for name, value in metrics.items():
        number = isinstance(value, int | float) or hasattr(value, "__float__")
        if not isinstance(name, str) or not number or not math.isfinite(float(value)):
            raise InvalidName(
                f"metrics={{{name!r:.40}: {value!r:.40}}} is not a finite number by name: leave it"
                " out, or give a number"
            )
    return compact({name: float(value) for name, value in sorted(metrics.items())}).encode()


def _json(what: str, values: Mapping[str, object]) -> bytes:
    try:
        text = compact({name: values[name] for name in sorted(values)})
    except (TypeError, ValueError) as error:
        raise InvalidName(
            f"{what}= cannot be stored as JSON ({error}): give text, numbers, lists and mappings"
        ) from error
    if "NaN" in text or "Infinity" in text:
        _refuse_not_finite(what, values)
    return text.encode()


def _finite(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of an estimator that JSON has."""
    return {
        name: value
        for name, value in parameters.items()
        if not isinstance(value, float) or math.isfinite(value)
    }


def _refuse_not_finite(what: str, values: object) -> None:
    due: list[object] = [values]
    while due:
        one = due.pop()
        if isinstance(one, float) and not math.isfinite(one):
            raise InvalidName(f"{what}= has {one!r}, which JSON does not have: leave it out")
        due += list(one.values() if isinstance(one, Mapping) else _items(one))


def _items(one: object) -> Iterable[object]:
    return one if isinstance(one, list | tuple) else ()


def _libraries(flavour: Flavour, packages: Sequence[Package], portable: bool) -> dict[str, str]:
    names = {flavour.library[1], flavour.library[0], "numpy"}
    found = {one.name: one.version for one in packages if one.name in names}
    if portable:
        import onnxruntime

        found["onnxruntime"] = str(onnxruntime.__version__)
    return found
