"""Exports of versions, for tools that know nothing of a warehouse."""
