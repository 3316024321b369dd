"""The pandas metadata of an Arrow schema, from which a DataFrame is restored.

It is one JSON object in the metadata of the schema, with these members:

- ``columns``: the specs of columns whose dtypes do not follow from their Arrow types;
- ``index``: the range, or the columns that hold the levels;
- ``axis`` and ``axis_dtype``: name and dtype of the columns' axis;
- ``attrs``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

from airflow_sfx.frames.column_names import is_unnamed_level_name

Spec = dict[str, Any]
"""What restores a column's dtype beyond its Arrow type; a JSON object."""


BLANK: Spec = {"kind": "blank", "type": "null"}
"""The spec of a column of floats that is blank in every row, and is stored as an open one."""

MADE_FROM = "sfx.made_from"
"""The member of a frame's ``attrs`` with the pins that it was made from, which a store records as
inputs and leaves out of the frame."""

METADATA = b"airflow_sfx"
"""The key of the pandas metadata in a schema's metadata."""


def pandas_metadata_of(schema: pa.Schema) -> dict[str, Any] | None:
    """Return the pandas metadata of a schema.

    Args:
        schema: A table's schema.

    Returns:
        The JSON object, or None if the schema has none.
    """
    text = (schema.metadata or {}).get(METADATA)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and _is_valid(found) else None


def with_pandas_metadata(schema: pa.Schema, pandas_metadata: Mapping[str, Any]) -> pa.Schema:
    """Return a schema with other pandas metadata.

    Args:
        schema: A table's schema.
        pandas_metadata: The metadata, as `pandas_metadata_of` returns them.

    Returns:
        The schema.

    Example:
        >>> pandas_metadata_of(with_pandas_metadata(pa.schema([("n", pa.int8())]), {"axis": "a"}))
        {'axis': 'a'}
    """
    text = json.dumps(pandas_metadata, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return schema.with_metadata({**(schema.metadata or {}), METADATA: text.encode()})


def without_index(schema: pa.Schema) -> pa.Schema:
    """Return a schema without an index in its pandas metadata.

    Args:
        schema: A table's schema.

    Returns:
        The schema; its DataFrame has a default index, and index levels are columns.
    """
    pandas_metadata = pandas_metadata_of(schema)
    if pandas_metadata is None or "index" not in pandas_metadata:
        return schema
    del pandas_metadata["index"]
    return with_pandas_metadata(schema, pandas_metadata)


def index_columns(schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns of a table that hold a DataFrame's index.

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
    """Return the columns of a table that hold unnamed levels of a DataFrame's index.

    Files have these columns; the table in the metastore may not.

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


def _is_valid(found: dict[str, Any]) -> bool:
    """Return whether a JSON object, from any program, is valid pandas metadata."""
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


def as_blank(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return a schema whose pandas metadata restores open columns as floats.

    Args:
        schema: A table's schema.
        names: The columns' names, as the schema has them.

    Returns:
        The schema.

    Example:
        >>> column_specs(as_blank(pa.schema([("n", pa.null())]), ["n"]))
        {'n': {'kind': 'blank', 'type': 'null'}}
    """
    if not names:
        return schema
    specs = {**column_specs(schema), **dict.fromkeys(names, BLANK)}
    return with_pandas_metadata(schema, {**(pandas_metadata_of(schema) or {}), "columns": specs})
