"""Names for Arrow's arrays and types that are known only when they are there.

Type checkers know each of Arrow's array classes; code that takes whatever a frame has can promise
them none of these.
"""

from __future__ import annotations

from typing import Any

AnyArray = Any
"""A `pyarrow.Array` of any type."""

AnyColumn = Any
"""A `pyarrow.ChunkedArray` of any type."""

AnyType = Any
"""A `pyarrow.DataType`, of whichever class."""

AnyField = Any
"""A `pyarrow.Field` of any type."""
