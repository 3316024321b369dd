"""Components of a model, packed small and exact.

They are bits, vectors, matrices, sparse matrices, maps, tables and JSON values.

Modules: ``packing`` packs and unpacks a value, ``sizes`` compares its forms. Sub-rooms: ``kinds``
are the kinds of values, ``columns`` prepares their columns, ``containers`` writes and reads bytes.

Names are loaded on first use.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
