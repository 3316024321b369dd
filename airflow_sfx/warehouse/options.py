"""Types of the arguments that calls share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypedDict

As: TypeAlias = Literal["pandas", "polars", "arrow", "spark"]
"""What `load_dataframe` returns."""

Keys: TypeAlias = Sequence[str] | Mapping[str, str]
"""Names of partition keys, or names with Hive types."""

Check: TypeAlias = Callable[[Any], object]
"""What a frame must pass to be published; see `airflow_sfx.checks`."""


class Past(TypedDict, total=False):
    """What is read instead of the current batches: one of these."""

    batch_id: str | None
    as_of: datetime | None
    version: int | None


class LoadOptions(Past, total=False):
    """The options of `load_dataframe` that do not say what kind of frame it returns."""

    columns: Sequence[str] | None
    filters: object
