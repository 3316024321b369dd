"""The rules that writer and reader of artifacts share: names, limits, order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from airflow_sfx.core.errors import ModelRefused

FIRST, LAST = "MODEL.json", "SHA256SUMS"
"""The first entry, which a server reads alone, and the last, which has the sums of all others."""

MOST_ENTRIES = 10_000
MOST_BYTES = 2 << 30
"""The largest artifact, packed or unpacked, in bytes."""
_LEAST_UNPACKED = 64 << 20
_TIMES = 200
"""The largest ratio of content to artifact above 64 MiB: a zip bomb has 1,000."""

_STEP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]*(\.[A-Za-z0-9_+-]+)*")
_MOST_STEPS, _LONGEST = 12, 240

PICKLE = "model/native/model.pickle"
"""The only entry that may hold a pickle."""

RDS = "model/native/model.rds"
"""The only entry that may hold a file of R."""

STORED = (FIRST, ".parquet")
"""How the names of entries end that are not compressed: the first, and compressed formats."""

KINDS: dict[str, str] = {
    ".json": "json",
    ".parquet": "parquet",
    ".onnx": "onnx",
    ".ubj": "ubj",
    ".skops": "zip",
    ".packed": "packed",
    ".pickle": "pickle",
    ".rds": "rds",
    ".py": "text",
    ".txt": "text",
    ".lock": "text",
    ".diff": "text",
    ".md": "text",
    LAST: "text",
}
"""What an entry holds, by the end of its name."""

_ONLY = {"pickle": PICKLE, "rds": RDS}
"""The kinds that run code when they are loaded, and their only entry."""


def kind_of(name: str, where: str) -> str:
    """Return what an entry holds.

    Args:
        name: The entry's name.
        where: The artifact, for messages.

    Raises:
        ModelRefused: An artifact has no such entry.

    Example:
        >>> kind_of("data/pins.json", "x.zip")
        'json'
    """
    for end, kind in KINDS.items():
        if name.endswith(end) and _ONLY.get(kind, name) == name:
            return kind
    raise ModelRefused(
        f"{where} has an entry {name!r:.80}, and no part of a model has such a name: it was not"
        " written by airflow_sfx; save the model again"
    )


def check_name(name: str, where: str) -> None:
    """Raise an error unless a name is a plain path below the artifact.

    Args:
        name: The entry's name.
        where: The artifact, for messages.

    Raises:
        ModelRefused: It is absolute, leads out of the artifact, or has other characters than
            letters, digits and ``_ . + -``.

    Example:
        >>> check_name("model/native/model.ubj", "x.zip")
        >>> check_name("../x", "x.zip")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.ModelRefused: x.zip has an entry '../x', which is not a plain...
    """
    steps = name.split("/")
    if (
        len(name) > _LONGEST
        or len(steps) > _MOST_STEPS
        or not all(_STEP.fullmatch(step) for step in steps)
    ):
        raise ModelRefused(
            f"{where} has an entry {name!r:.80}, which is not a plain path below it: nothing of it"
            " was read; get the artifact again from where it was saved"
        )


def check_names(names: Iterable[str], where: str) -> None:
    """Raise an error unless names are valid, different in any case, and in the artifact's order.

    Args:
        names: The names, in the order of the artifact.
        where: The artifact, for messages.

    Raises:
        ModelRefused: They are not.
    """
    listed = list(names)
    for name in listed:
        check_name(name, where)
    counts = Counter(name.lower() for name in listed)
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice:
        raise ModelRefused(
            f"{where} has several entries named {twice!r:.80}: programs differ in which one they"
            " read; get the artifact again from where it was saved"
        )
    if listed != in_order(listed) or {FIRST, LAST} - set(listed):
        raise ModelRefused(
            f"{where} does not begin with {FIRST}, end with {LAST} and have all others sorted in"
            " between: it was not written by airflow_sfx, or was changed since; save the model"
            " again"
        )


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in the order of an artifact.

    Example:
        >>> in_order(["SHA256SUMS", "b", "MODEL.json", "a"])
        ['MODEL.json', 'a', 'b', 'SHA256SUMS']
    """
    return sorted(names, key=lambda name: (name != FIRST, name == LAST, name))


def check_sizes(packed: int, unpacked: Iterable[int], where: str) -> None:
    """Raise an error for an artifact that would unpack to far more than it is.

    Args:
        packed: The size of the artifact in bytes.
        unpacked: The declared size of each entry in bytes.
        where: The artifact, for messages.

    Raises:
        ModelRefused: It is too large, or a zip bomb.
    """
    total = sum(unpacked)
    if max(packed, total) > MOST_BYTES:
        raise ModelRefused(
            f"{where} has {packed} bytes, {total} unpacked, and an artifact has at most"
            f" {MOST_BYTES}: make the model smaller"
        )
    if total > _LEAST_UNPACKED + _TIMES * packed:
        raise ModelRefused(
            f"{where} has {packed} bytes and would unpack to {total}: it is a zip bomb, and nothing"
            " of it was unpacked"
        )
