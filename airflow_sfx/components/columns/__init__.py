"""Columns of numbers and texts: how they are prepared, and how that is undone.

Modules: ``bits`` packs integers into as few bits as they need, ``codecs`` compresses bytes,
``decimals`` finds the decimals that floats were, ``nodes`` are the steps that a packed column
records, ``prepare`` tries them, ``restore`` undoes them.
"""
