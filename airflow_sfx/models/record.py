"""``MODEL.json``: what a server must know before it reads the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from airflow_sfx.core.errors import InconsistentBatch, ModelRefused
from airflow_sfx.core.serde import Record, compact, decode

FORMAT = "sfx-model/1"
_FORMATS = "sfx-model/"

ScorerKind = Literal["onnx", "native", "components"]
"""What answers by default: the portable scorer, the library's own model, or coefficients."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The members of ``MODEL.json``.

    Args:
        format: The artifact's format.
        name: The model's name.
        version: Its version: a batch ID.
        flavour: Its flavour, such as ``scikit-learn``.
        task: What it predicts: ``classification`` or ``regression``.
        scorer: What answers by default.
        digest: The digest of the content; the same for two versions that differ in nothing.
        target: The column that it predicts, or empty.
        native: The entry of the library's own form, or empty.
        trust: What a caller must name in ``trust=`` to load that.
        tolerance: How much the portable scorer may differ.
        parity_rows: On how many rows it was compared; 0 for none.
        parity: The greatest difference.
        note: Why there is no portable scorer; empty if there is one.
        libraries: The versions of the libraries that it needs, by name.
        metrics: The metrics that it was saved with.
    """

    format: str
    name: str
    version: str
    flavour: str
    task: Literal["classification", "regression"]
    scorer: ScorerKind
    digest: str
    target: str = ""
    native: str = ""
    trust: tuple[str, ...] = ()
    tolerance: float = 0.0
    parity_rows: int = 0
    parity: float = 0.0
    note: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict, hash=False)
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)

    def to_bytes(self) -> bytes:
        """Return the record as JSON."""
        return compact(asdict(self)).encode()


def record_from(content: bytes, where: str) -> ModelRecord:
    """Return the record of an artifact.

    Args:
        content: Its ``MODEL.json``.
        where: The artifact, for messages.

    Raises:
        ModelRefused: It breaks a rule of its format, or a later version wrote it.
    """
    try:
        kind = decode(content, _Format, f"{where}: MODEL.json").format
        if kind != FORMAT and kind.startswith(_FORMATS):
            raise ModelRefused(f"{where} has the format {kind!r:.40}: install a later airflow_sfx")
        if kind != FORMAT:
            raise ModelRefused(
                f"{where} has the format {kind!r:.40}, which is not that of a model: pass a file"
                " that sfx.models.save wrote"
            )
        return decode(content, ModelRecord, f"{where}: MODEL.json")
    except InconsistentBatch as error:
        raise ModelRefused(f"{error}; get the artifact again from where it was saved") from error


class _Format(Record):
    format: str
