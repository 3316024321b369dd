"""Streams into tables: each record once, even if it comes again.

Modules: ``source`` is what a stream is to the rest; ``kinesis`` and ``kafka`` implement it.
``engine`` brings records into a table, for ``consumer``, a process that shares a stream with
others, and for ``aws_lambda``, whose events ``lambda_event`` reads. ``lag`` is how far a table is
behind; ``replay`` reads records again for a corrected function; ``opening`` finds a stream by its
name; ``spark`` writes the micro-batches of Spark. The sub-room ``applying`` has what records pass
on their way, ``consuming`` what consumers need.

Names are loaded on first use.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
