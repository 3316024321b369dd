"""The ``sfx`` command."""
