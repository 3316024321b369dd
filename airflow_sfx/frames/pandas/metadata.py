"""The pandas metadata of a schema: what a DataFrame was, as far as Arrow's types do not say it.

It is one JSON object in the metadata of the Arrow schema: for each column that its Arrow type does
not describe, its spec; the index; the name of the columns' axis; ``attrs``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from airflow_sfx.frames.column_names import is_unnamed_level_name

Spec = dict[str, Any]
"""What a column was in pandas, as far as Arrow's type does not say it; a JSON object."""


METADATA = b"airflow_sfx"
"""The key of the pandas_metadata in a schema's metadata."""


def pandas_metadata_of(schema: pa.Schema) -> dict[str, Any] | None:
    """What `pandas_to_arrow` remembered in a schema's metadata, or None.

    Args:
        schema: A table's schema.

    Returns:
        The JSON object.
    """
    text = (schema.metadata or {}).get(METADATA)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and _is_memory(found) else None


def with_pandas_metadata(schema: pa.Schema, pandas_metadata: Mapping[str, Any]) -> pa.Schema:
    """A schema that remembers this of a DataFrame, and not what it remembered before.

    Args:
        schema: A table's schema.
        pandas_metadata: What `pandas_metadata_of` gives.

    Returns:
        The schema.

    Example:
        >>> pandas_metadata_of(with_pandas_metadata(pa.schema([("n", pa.int8())]), {"axis": "a"}))
        {'axis': 'a'}
    """
    text = json.dumps(pandas_metadata, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return schema.with_metadata({**(schema.metadata or {}), METADATA: text.encode()})


def without_index(schema: pa.Schema) -> pa.Schema:
    """A schema whose index is forgotten, so that the frame gets a default one and named levels become columns.

    Args:
        schema: A table's schema.

    Returns:
        The schema.
    """
    pandas_metadata = pandas_metadata_of(schema)
    if pandas_metadata is None or "index" not in pandas_metadata:
        return schema
    del pandas_metadata["index"]
    return with_pandas_metadata(schema, pandas_metadata)


def index_columns(schema: pa.Schema) -> tuple[str, ...]:
    """The columns of a table that hold a DataFrame's index.

    Args:
        schema: The table's schema.

    Returns:
        Their names, outermost level first.

    Example:
        >>> index_columns(pa.schema([("n", pa.int8())]))
        ()
    """
    index = (pandas_metadata_of(schema) or {}).get("index")
    return tuple(level["column"] for level in index) if isinstance(index, list) else ()


def unnamed_index_columns(schema: pa.Schema) -> frozenset[str]:
    """Those of `index_columns` that no level of the index had a name for: files have them, tables need not.

    Args:
        schema: The table's schema.

    Returns:
        Their names.

    Example:
        >>> import pandas as pd
        >>> from airflow_sfx.frames.pandas.frame import pandas_to_arrow
        >>> frame = pd.DataFrame({"price": [5.0, 0.0, 7.0, 8.0]})
        >>> sorted(unnamed_index_columns(pandas_to_arrow(frame[frame.price > 0]).schema))
        ['__index_level_0__']
    """
    return frozenset(filter(is_unnamed_level_name, index_columns(schema)))


def _is_memory(found: dict[str, Any]) -> bool:
    """Whether an object has the form of ours: a table from elsewhere may have anything there."""
    specs, index = found.get("columns", {}), found.get("index", {})
    return (
        isinstance(specs, dict)
        and all(
            isinstance(spec, dict) and isinstance(spec.get("kind"), str) for spec in specs.values()
        )
        and isinstance(index, dict | list)
        and all(
            isinstance(level, dict) and "column" in level
            for level in (index if isinstance(index, list) else ())
        )
    )


def column_specs(schema: pa.Schema) -> Mapping[str, Spec]:
    """Return the specs in a schema's pandas metadata.

    Args:
        schema: A table's schema.

    Returns:
        The specs by column name; columns that Arrow's type describes are absent.

    Example:
        >>> column_specs(pa.schema([("n", pa.int8())]))
        {}
    """
    specs: Mapping[str, Spec] = (pandas_metadata_of(schema) or {}).get("columns", {})
    return specs


def without_specs(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return a schema whose pandas metadata has no specs for some columns.

    Args:
        schema: A table's schema.
        names: The columns' names, as the schema has them.

    Returns:
        The schema.

    Example:
        >>> schema = pa.schema([("n", pa.int8())])
        >>> noted = with_pandas_metadata(schema, {"columns": {"n": {"kind": "masked"}}})
        >>> column_specs(without_specs(noted, ["n"]))
        {}
    """
    pandas_metadata = pandas_metadata_of(schema)
    if pandas_metadata is None or not pandas_metadata.get("columns"):
        return schema
    specs = {name: spec for name, spec in pandas_metadata["columns"].items() if name not in names}
    return with_pandas_metadata(schema, {**pandas_metadata, "columns": specs})
