"""Names for Arrow's arrays and types whose classes are known at run time only.

Type checkers know each of Arrow's classes; code for any column cannot name one of them.
"""

from __future__ import annotations

from typing import Any

AnyArray = Any
"""A `pyarrow.Array` of any type."""

AnyColumn = Any
"""A `pyarrow.ChunkedArray` of any type."""

AnyType = Any
"""A `pyarrow.DataType` of any class."""

AnyField = Any
"""A `pyarrow.Field` of any type."""
