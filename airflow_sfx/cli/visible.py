"""Text from outside, made safe for a terminal: control and invisible characters are spelt out.

Control characters move the cursor or change what was printed before; characters of direction make a text read as another;
invisible ones make two names look alike.
"""

from __future__ import annotations

import json
import logging

# Letters and marks that have no shape; what is not printable for Python has none or acts on others.
_SHAPELESS = frozenset(
    {0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10)}
) | frozenset(range(0xE0100, 0xE01F0))


class _Spelt(dict[int, str]):
    """For `str.translate`: each character as it is shown, found out once."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isprintable() and code not in _SHAPELESS:
            self[code] = char
        elif self._as_json:
            self[code] = char if char == "\n" else json.dumps(char)[1:-1] if code > 0x7E else f"\\u{code:04x}"  # noqa: PLR2004
        else:
            self[code] = char.encode("unicode_escape").decode()
            if self[code] == char:
                self[code] = f"\\x{code:02x}"
        return self[code]


_IN_TEXT, _IN_JSON = _Spelt(as_json=False), _Spelt(as_json=True)


def visible(text: str) -> str:
    r"""A text on one line, of characters that are seen.

    Example:
        >>> visible("two\nlines"), visible("in\u202egpj.exe"), visible("Zoë 東京 🎩")
        ('two\\nlines', 'in\\u202egpj.exe', 'Zoë 東京 🎩')
    """
    return text.translate(_IN_TEXT)


def visible_json(document: str) -> str:
    r"""A JSON document that reads as the same values, of characters that are seen; line breaks between them stay.

    Example:
        >>> visible_json('{"reason": "in\u202egpj.exe"}')
        '{"reason": "in\\u202egpj.exe"}'
    """
    return document.translate(_IN_JSON)


class VisibleFormatter(logging.Formatter):
    """Formats a record of the log as one line of characters that are seen."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return visible(super().format(record))
