"""Which libraries have other versions here than where a model was saved."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata


def other_versions(libraries: Mapping[str, str]) -> str:
    """Return a sentence for messages; empty if all versions are those of the save.

    Args:
        libraries: The versions at the save, by package.

    Example:
        >>> other_versions({"no-such-library": "1.2.0"})
        ' It was saved with no-such-library 1.2.0 (not installed here).'
        >>> other_versions({})
        ''
    """
    found = [
        f"{name} {version} ({f'{here} here' if here else 'not installed here'})"
        for name, version in sorted(libraries.items())
        if (here := _installed(name)) != version
    ]
    return f" It was saved with {', '.join(found)}." if found else ""


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
