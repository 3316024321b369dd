"""Proof on real rows that a portable function gives the same in every way.

``runs`` calls the function, ``check`` compares, ``smallest`` shrinks the rows that differ,
``causes`` finds a likely cause; ``state`` and ``clock`` look at what the function uses, and
``report`` is what a caller gets.
"""
