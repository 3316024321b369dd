"""The components of an artifact, and in how many digits they are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_sfx.core.serde import Count, Record, compact, decode, decoding

if TYPE_CHECKING:  # serving needs neither
    from airflow_sfx.components import Choice
    from airflow_sfx.components.precision import Precision

COMPONENTS, PACKED = "components/", ".packed"
PRECISION = "components/precision.json"
"""How the components of a model were packed that is not exact."""


@dataclass(frozen=True, slots=True)
class ComponentPrecision:
    """How the components of a model were packed in fewer digits.

    Args:
        precision: What was asked for: ``float32``, ``{"abs": 1e-4}`` or ``{"predictions": 1e-3}``.
        role: The role of the batches whose predictions were compared; ``example`` for rows that
            were passed as that.
        batches: These batches as URIs.
        rows: How many rows were compared.
        change: The greatest change of a prediction, or of a probability, on these rows.
        components: The precision, error and bytes of each component, by name.
    """

    precision: Precision
    role: str
    batches: Sequence[str]
    rows: int
    change: float
    components: Mapping[str, Choice]

    def to_json(self) -> bytes:
        """Return ``components/precision.json``."""
        asked = self.precision if isinstance(self.precision, str) else dict(self.precision)
        choices = {name: asdict(one) for name, one in sorted(self.components.items())}
        members: dict[str, object] = {
            "precision": asked,
            "role": self.role,
            "batches": list(self.batches),
            "rows": self.rows,
            "change": self.change,
            "components": choices,
        }
        return compact(members).encode()

    @property
    def asked(self) -> str:
        """The precision that was asked for, as text."""
        if isinstance(self.precision, str):
            return self.precision
        return ", ".join(f"{kind} {bound:g}" for kind, bound in self.precision.items())

    @property
    def summary(self) -> str:
        """What was compared, and what changed, as a sentence."""
        return (
            f"On {self.rows:,} rows of the role {self.role!r}, no prediction changes by more than"
            f" {self.change:.2g}."
        )


def precision_from(content: bytes, where: str) -> ComponentPrecision:
    """Return how the components of an artifact were packed.

    Args:
        content: Its ``components/precision.json``.
        where: The artifact, for messages.

    Raises:
        InconsistentBatch: It breaks a rule of its format.
    """
    from airflow_sfx.components import Choice
    from airflow_sfx.components.precision import bound_of

    what = f"{where}: {PRECISION}"
    record = decode(content, _PrecisionRecord, what)
    asked: Any = record.precision
    with decoding(what):
        bound_of(asked, "abs")
        choices = msgspec.convert(record.components, dict[str, Choice])
    return ComponentPrecision(
        asked, record.role, tuple(record.batches), record.rows, record.change, choices
    )


class _PrecisionRecord(Record):
    precision: str | dict[str, float]
    role: str
    batches: list[str]
    rows: Count
    change: float
    components: dict[str, dict[str, Any]]


def component_entries(
    components: Mapping[str, object], packed: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Return the entries of the components of a model, and of their index.

    Args:
        components: The components by name, to be packed exactly.
        packed: Those that are packed already.
    """
    if not components and not packed:
        return {}
    from airflow_sfx.components import pack

    exact = {name: pack(value) for name, value in components.items() if name not in packed}
    index = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in {**exact, **packed}.items()
    }
    return {
        **{f"{COMPONENTS}{name}{PACKED}": data for name, data in {**exact, **packed}.items()},
        f"{COMPONENTS}index.json": compact(index).encode(),
    }
