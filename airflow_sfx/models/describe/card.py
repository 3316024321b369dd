"""The card of a model, rendered from the rest of its artifact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName

if TYPE_CHECKING:  # the gates of a promotion, which DAG files load, need the parts alone
    from airflow_sfx.models.describe.components import ComponentPrecision
    from airflow_sfx.models.describe.golden import Deviation
    from airflow_sfx.models.describe.inputs import Input
    from airflow_sfx.models.record import ModelRecord
    from airflow_sfx.models.schema.signature import Signature

CARD = "CARD.md"
PARTS = ("purpose", "owner", "limits", "risks", "retrain", "successor")
"""What only people can say, in the order of the card."""
REQUIRED = ("purpose", "owner", "limits", "risks")
"""What has to be said before a version is promoted with a complete card."""
NOT_STATED = "Not stated."
_MOST_NAMED = 10
TITLES = {
    "purpose": "Purpose",
    "owner": "Owner",
    "limits": "Limits",
    "risks": "Ethical risks and known failures",
    "retrain": "When to train it again",
    "successor": "Successor",
}


def check_parts(parts: Mapping[str, str]) -> None:
    """Raise an error for parts of a card that there are not.

    Raises:
        InvalidName: A part is unknown, or is not text.
    """
    for name, text in parts.items():
        if name not in PARTS or not isinstance(text, str):
            raise InvalidName(
                f"card={{{name!r:.40}: {text!r:.40}}} is not a part of a card: pass text for any of"
                f" {', '.join(PARTS)}"
            )


def stated_parts(card: str) -> dict[str, str]:
    r"""Return what people said in a card, by part.

    Args:
        card: The card, as `card_of` wrote it.

    Returns:
        The parts that are stated.

    Example:
        >>> stated_parts("\n## Purpose\n\nNot stated.\n\n## Owner\n\nAda\n\n## Limits\n")
        {'owner': 'Ada'}
    """
    titles = [f"\n## {TITLES[name]}\n" for name in PARTS]
    found: dict[str, str] = {}
    rest = card
    for place, name in enumerate(PARTS):
        _, there, after = rest.partition(titles[place])
        if not there:  # of a version that did not have the part
            continue
        ends = [after.find(title) for title in (*titles[place + 1 :], "\n## Metrics\n")]
        text = after[: min((end for end in ends if end >= 0), default=len(after))].strip()
        if text and text != NOT_STATED:
            found[name] = text
        rest = after
    return found


def card_of(
    record: ModelRecord,
    signature: Signature,
    inputs: Sequence[Input],
    metrics: Mapping[str, float],
    parameters: Mapping[str, object],
    parts: Mapping[str, str],
    again: Sequence[str],
    parity: Deviation | None,
    kept: ComponentPrecision | None = None,
) -> str:
    """Return the card as Markdown with a header in YAML, as the Hugging Face Hub reads it.

    Args:
        record: The model's record.
        signature: What it takes and gives.
        inputs: The batches that it was trained on.
        metrics: Its metrics.
        parameters: The parameters of its training.
        parts: What people said, by part.
        again: The lines that say how to train it again.
        parity: How much the portable scorer differs from the model, or None without one.
        kept: How its components were packed, or None if they are exact.
    """
    title = f"{record.name} {record.version}"
    lines = [
        "---",
        f"library_name: {record.flavour}",
        f"pipeline_tag: tabular-{record.task}",
        "datasets:",
        *(
            f"  - {uri}"
            for uri in dict.fromkeys(f"sfx://{one.pin.database}/{one.pin.table}" for one in inputs)
        ),
        "---",
        "",
        f"# {title}",
        "",
        f"A model of {record.flavour} for {record.task}"
        + (f" of `{record.target}`." if record.target else "."),
        "",
    ]
    for name in PARTS:
        lines += [f"## {TITLES[name]}", "", parts.get(name, NOT_STATED), ""]
    lines += ["## Metrics", "", *_table(("metric", "value"), _rows(metrics)), ""]
    lines += ["## Parameters", "", *_table(("parameter", "value"), _rows(parameters)), ""]
    lines += [
        "## Takes",
        "",
        *_table(
            ("column", "type", "missing values", "range or categories"),
            [
                (one.name, one.type, "yes" if one.nullable else "no", _range(one))
                for one in signature.inputs
            ],
        ),
        "",
        "## Trained on",
        "",
        *_table(
            ("role", "batch", "rows of the role"),
            [(one.role, uri, str(one.rows)) for one in inputs for uri in _named(one)],
        ),
        "",
        "## Scoring",
        "",
        _scoring(record, parity),
        "",
        *([] if kept is None else _digits(kept)),
        *again,
    ]
    return "\n".join(lines)


def _scoring(record: ModelRecord, parity: Deviation | None) -> str:
    if record.scorer == "onnx" and parity is not None:
        return (
            f"By `model/model.onnx`. On {parity.rows} rows it differs from the model by at most"
            f" {parity.greatest:.1e}, and in {parity.labels} classes; the tolerance is"
            f" {record.tolerance:.0e}."
        )
    if record.scorer == "components":
        return "By the coefficients in `components/`, with numpy alone."
    why = f" {record.note}" if record.note else ""
    return f"By the native model `{record.native}`.{why}"


def _digits(kept: ComponentPrecision) -> list[str]:
    rows = [
        (name, one.precision, f"{one.error:.2g}", str(one.bytes), str(one.exact_bytes))
        for name, one in sorted(kept.components.items())
    ]
    return [
        "## Precision of components",
        "",
        f"Asked for: {kept.asked}. {kept.summary}",
        "",
        *_table(("component", "precision", "greatest error", "bytes", "exact bytes"), rows),
        "",
    ]


def _named(one: Input) -> list[str]:
    """Return the batches of a role as URIs; the first and the last of many."""
    uris = one.uris
    if len(uris) <= _MOST_NAMED:
        return uris
    between = f"{len(uris) - 2} batches between them: see `data/pins.json`"
    return [uris[0], between, uris[-1]]


def _range(one: object) -> str:
    categories = getattr(one, "categories", None)
    if categories is not None:
        more = f" and {len(categories) - 8} more" if len(categories) > 8 else ""  # noqa: PLR2004
        return ", ".join(map(str, categories[:8])) + more
    least, greatest = getattr(one, "least", None), getattr(one, "greatest", None)
    return "" if least is None else f"{least} to {greatest}"


def _rows(values: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in sorted(values.items())]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return ["None."]
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(_cell(one) for one in row)} |" for row in rows),
    ]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())[:200]
