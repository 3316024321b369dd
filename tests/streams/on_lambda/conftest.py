"""The programs that run on Lambda are no modules of the tests."""

from __future__ import annotations

collect_ignore = ["mortal.py"]
