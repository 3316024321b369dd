"""Which values stand for no value at all, in any library of frames; none of them is imported to find out."""

from __future__ import annotations

import sys


def is_missing(value: object) -> bool:
    """Whether a value is one that a library writes where there is none.

    Args:
        value: Anything: ``None``, a NaN of any width or of `decimal`, pandas' ``NaT`` and ``NA``, NumPy's ``NaT`` and masked
            value, a null of Arrow. Text is never missing, whatever it says.

    Returns:
        Whether it is.

    Example:
        >>> [is_missing(value) for value in (None, float("nan"), "None", 0, "")]
        [True, True, False, False, False]
    """
    if value is None or value is getattr(sys.modules.get("pandas"), "NA", None):
        return True
    if isinstance(value, str | bytes | int):
        return False
    if hasattr(value, "as_py"):  # a scalar of Arrow
        return is_missing(value.as_py())
    try:
        itself = value == value  # noqa: PLR0124  # NaN and NaT differ from themselves
        return not itself
    except ArithmeticError:  # a signalling NaN
        return True
    except (TypeError, ValueError):  # an array, or an expression: not one value
        return False
