from .budget import (
    Choice as Choice,
    PackedComponents as PackedComponents,
    pack_all as pack_all,
)
from .kinds.sparse import SparseMatrix as SparseMatrix
from .packing import (
    pack as pack,
    unpack as unpack,
)
from .sizes import (
    Sizes as Sizes,
    describe as describe,
    sizes as sizes,
)
