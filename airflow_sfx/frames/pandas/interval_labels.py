"""Categories that are intervals: text in files, intervals in the column's spec."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from airflow_sfx.frames._typing import AnyArray, AnyType
from airflow_sfx.frames.pandas.metadata import Spec


def label_type(spec: Spec) -> AnyType:
    """Return the type of the bounds of a column's interval categories, given its spec."""
    return labels_from_text(spec["labels"]).type.field(0).type


def joined_labels(parts: Sequence[tuple[Spec, AnyArray]]) -> str:
    """Join the interval categories of several columns, each once, in their order.

    Args:
        parts: The spec of each column, and its categories as text.

    Returns:
        The labels for a spec of all columns, as `labels_to_text` writes them.
    """
    labels, texts = labels_from_text(parts[0][0]["labels"]), parts[0][1]
    for spec, more in parts[1:]:
        added = pc.invert(pc.is_in(more, value_set=texts))
        labels = pa.concat_arrays([labels, labels_from_text(spec["labels"]).filter(added)])
        texts = pa.concat_arrays([texts, more.filter(added)])
    return labels_to_text(labels)


def labels_to_text(array: Any) -> str:
    """Write an array of intervals as text: an Arrow IPC stream in base64."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([array], names=["values"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return base64.b64encode(sink.getvalue().to_pybytes()).decode("ascii")


def labels_from_text(text: str) -> Any:
    """Read what `labels_to_text` wrote."""
    with pa.ipc.open_stream(base64.b64decode(text)) as reader:
        return reader.read_all().column(0).combine_chunks()
