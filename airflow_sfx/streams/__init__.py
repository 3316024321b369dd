"""Streams into tables: each record once, even if it comes again.

Modules: ``source`` is what a stream is to the rest; ``kinesis`` and ``kafka`` implement it.
"""
