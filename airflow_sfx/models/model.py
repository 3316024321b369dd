"""A loaded model: it answers, and says what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from airflow_sfx.core.errors import InconsistentBatch, InvalidName, ModelRefused, SchemaMismatch
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import decode
from airflow_sfx.models.artifact.reader import read_artifact
from airflow_sfx.models.artifact.rules import FIRST
from airflow_sfx.models.describe.components import (
    COMPONENTS,
    PACKED,
    PRECISION,
    ComponentPrecision,
    precision_from,
)
from airflow_sfx.models.describe.golden import Deviation, deviation, golden_rows
from airflow_sfx.models.describe.inputs import PINS, Input, from_json
from airflow_sfx.models.flavours.base import Answers, Array, Flavour, Scorer
from airflow_sfx.models.flavours.detect import flavour_named
from airflow_sfx.models.flavours.onnx import ONNX, OnnxScorer, has_runtime
from airflow_sfx.models.record import ModelRecord, record_from
from airflow_sfx.models.schema.rows import Unseen, columns_of
from airflow_sfx.models.schema.signature import Signature, SignatureRecord


class Model:
    """A model from an artifact.

    By default the portable scorer answers: ONNX or coefficients, which run no code of the
    artifact. The golden rows are checked when the model is loaded.

    Attributes:
        name: The model's name.
        version: Its version: the batch ID of the save.
        record: The rest of ``MODEL.json``: flavour, task, libraries.
        signature: What it takes and gives.

    Example:
        >>> model = sfx.models.load("delays@production")
        >>> model.version == delays.version, model.record.flavour, model.signature.names
        (True, 'coefficients', ('distance',))
    """

    def __init__(
        self,
        entries: Mapping[str, bytes],
        where: str,
        *,
        native: bool = False,
        trust: Sequence[str] = (),
    ) -> None:
        self._entries, self._where = entries, where
        self.record: ModelRecord = record_from(entries[FIRST], where)
        self.name, self.version = self.record.name, self.record.version
        self.signature: Signature = self._decode("signature.json", SignatureRecord).signature()
        self._open_with = (native, tuple(trust))
        if isinstance(trust, str):
            raise InvalidName(f"trust={trust!r:.80} is text: pass a list, such as [{trust!r:.40}]")

    @cached_property
    def _scorer(self) -> Scorer:
        native, trust = self._open_with
        try:
            return self._open(native=native, trust=trust)
        except ModelRefused as error:
            others = self._other_versions()
            raise ModelRefused(f"{error}.{others}" if others else str(error)) from error

    def predict(self, rows: object, *, unseen: Unseen = "refuse") -> Array:
        """Return the model's prediction for each row.

        Args:
            rows: A DataFrame of pandas or polars, a pyarrow Table, a mapping of columns, or a list
                of records. Columns that the model does not take are ignored.
            unseen: Whether a value outside of a column's categories is refused, or scored as
                ``missing``.

        Returns:
            The predictions, as the model's own ``predict`` returns them.

        Raises:
            SchemaMismatch: A column is missing, or a value does not fit it.

        Example:
            >>> sfx.models.load("delays@production").predict([{"distance": 1400.0}]).tolist()
            [28.0]
        """
        return self.answers(rows, unseen=unseen).prediction

    def predict_proba(self, rows: object, *, unseen: Unseen = "refuse") -> Array:
        """Return the probability of each class for each row.

        Args:
            rows: As for `predict`.
            unseen: As for `predict`.

        Returns:
            A matrix with a row for each row, and a column for each of `classes`.

        Raises:
            SchemaMismatch: A column is missing, or a value does not fit it.
            InvalidName: The model gives no probabilities.
        """
        found = self.answers(rows, unseen=unseen).probability
        if found is None:
            raise InvalidName(f"{self} gives no probabilities: use predict")
        return found

    def answers(self, rows: object, *, unseen: Unseen = "refuse") -> Answers:
        """Return predictions and probabilities for rows; see `predict`."""
        found = self._scorer.answers(columns_of(self.signature, rows, unseen=unseen))
        return self._typed(found)

    @property
    def classes(self) -> tuple[object, ...]:
        """The classes of a classification, in the order of the probabilities."""
        return self.signature.outputs[0].classes

    @property
    def native(self) -> object:
        """The library's own model; None unless it was loaded with ``native=True``."""
        return self._scorer.native

    @property
    def inputs(self) -> dict[str, BatchPin]:
        """The batches that the model was trained on, by role."""
        return {one.role: one.pin for one in self.input_batches}

    @cached_property
    def input_batches(self) -> list[Input]:
        """The batches by role, with the digests of their manifests and their rows."""
        return from_json(self._entries.get(PINS, b""), self._where)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The metrics that were given when the model was saved."""
        return cast(dict[str, float], self._decode("metrics.json", dict[str, float]))

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters of the training."""
        return cast(dict[str, Any], self._decode("params.json", dict[str, Any]))

    @property
    def card(self) -> str:
        """The card, as Markdown."""
        return self._entries.get("CARD.md", b"").decode()

    @property
    def components(self) -> Mapping[str, object]:
        """The parts of the model by name, unpacked when they are read."""
        return _Components(self._entries)

    @cached_property
    def component_precision(self) -> ComponentPrecision | None:
        """How the components were packed in fewer digits, or None if they are exact."""
        content = self._entries.get(PRECISION)
        return None if content is None else precision_from(content, self._where)

    @property
    def entries(self) -> Mapping[str, bytes]:
        """Everything that the artifact holds, by name."""
        return self._entries

    def check(self) -> Deviation:
        """Compare the model's answers to the golden rows with those that it gave when saved.

        Returns:
            How much they differ.

        Raises:
            ModelRefused: They differ by more than the tolerance.

        Example:
            >>> sfx.models.load("delays@production").check().labels
            0
        """
        columns, expected = golden_rows(self._entries, self.signature, self._where)
        found = deviation(expected, self._typed(self._scorer.answers(columns)))
        if not found.within(self.record.tolerance):
            raise ModelRefused(
                f"{self._where} answers its golden rows otherwise than when it was saved: by up to"
                f" {found.greatest:.3g}, and in {found.labels} of {found.rows} classes, with a"
                f" tolerance of {self.record.tolerance:.0e}. Install the versions of its"
                f" env/requirements.lock, or save the model again.{self._other_versions()}"
            )
        return found

    def _typed(self, found: Answers) -> Answers:
        """Return answers with numbers as wide as the model's own."""
        wide = self.signature.outputs[0].type == "double" and found.prediction.dtype.kind == "f"
        if not wide:
            return found
        return Answers(found.prediction.astype("float64"), found.probability)

    def _open(self, *, native: bool, trust: Sequence[str]) -> Scorer:
        record, where = self.record, self._where
        flavour: Flavour = flavour_named(record.flavour, where)
        if record.scorer == "onnx" and not native:
            if ONNX not in self._entries:
                raise ModelRefused(f"{where} has no {ONNX}, which its MODEL.json names")
            if not has_runtime() and (
                equal := flavour.equal_of_onnx(self._entries, self.signature, where)
            ):
                return equal
            classes = self.signature.outputs[0].classes
            return OnnxScorer(self._entries[ONNX], self.signature.names, classes, where)
        found = flavour.load(self._entries, self.signature, tuple(trust), where)
        if found is None:
            raise ModelRefused(
                f"{where} has no native model: load it without native=True, which uses"
                f" its {record.scorer} scorer"
            )
        return found

    def _other_versions(self) -> str:
        from airflow_sfx.models.describe.versions import other_versions

        return other_versions(self.record.libraries)

    def _decode(self, name: str, kind: type[Any]) -> Any:
        try:
            return decode(self._entries.get(name), kind, f"{self._where}: {name}")
        except InconsistentBatch as error:
            raise ModelRefused(
                f"{error}; get the artifact again from where it was saved"
            ) from error

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"

    def __repr__(self) -> str:
        return f"Model({str(self)!r})"


class _Components(Mapping[str, object]):
    """The components of an artifact, each unpacked when it is read."""

    def __init__(self, entries: Mapping[str, bytes]) -> None:
        self._packed = {
            name.removeprefix(COMPONENTS).removesuffix(PACKED): content
            for name, content in entries.items()
            if name.startswith(COMPONENTS) and name.endswith(PACKED)
        }

    def __getitem__(self, name: str) -> object:
        from airflow_sfx.components import unpack

        return unpack(self._packed[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def described(data: bytes | memoryview, where: str) -> Model:
    """Return a model that describes itself, and opens no scorer until it is asked for answers.

    Args:
        data: The zip file.
        where: Where it is from, for messages.

    Raises:
        ModelRefused: It is damaged or hostile.
    """
    return Model(read_artifact(data, where), where)


def load_artifact(
    data: bytes | memoryview,
    where: str,
    *,
    native: bool = False,
    trust: Sequence[str] = (),
    check: bool = True,
) -> Model:
    """Load a model from the bytes of an artifact.

    Args:
        data: The zip file.
        where: Where it is from, for messages.
        native: Whether to load the library's own model.
        trust: What code may run.
        check: Whether to check the golden rows.

    Raises:
        ModelRefused: It is damaged or hostile, needs trust or a library, or fails its golden rows.
    """
    model = Model(read_artifact(data, where), where, native=native, trust=trust)
    if check:
        try:
            model.check()
        except (SchemaMismatch, InconsistentBatch, LookupError, TypeError, ValueError) as error:
            raise ModelRefused(
                f"{where}: its golden rows cannot be scored ({error}): get the artifact again from"
                " where it was saved"
            ) from error
    return model
