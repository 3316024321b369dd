# The public names, each once: type checkers read them here, and so does the package itself.
from . import checks as checks
from ._default import (
    adopt as adopt,
)
from ._default import (
    audit as audit,
)
from ._default import (
    connect as connect,
)
from ._default import (
    diff as diff,
)
from ._default import (
    erase as erase,
)
from ._default import (
    history as history,
)
from ._default import (
    hold as hold,
)
from ._default import (
    holds as holds,
)
from ._default import (
    load_dataframe as load_dataframe,
)
from ._default import (
    manifests as manifests,
)
from ._default import (
    pin as pin,
)
from ._default import (
    pin_and_hold as pin_and_hold,
)
from ._default import (
    pinned_table_sql as pinned_table_sql,
)
from ._default import (
    publish as publish,
)
from ._default import (
    release as release,
)
from ._default import (
    repair as repair,
)
from ._default import (
    retain as retain,
)
from ._default import (
    rollback as rollback,
)
from ._default import (
    rollback_backfill as rollback_backfill,
)
from ._default import (
    rollback_run as rollback_run,
)
from ._default import (
    show as show,
)
from ._default import (
    store_dataframe as store_dataframe,
)
from ._default import (
    tables as tables,
)
from ._default import (
    verify as verify,
)
from ._version import __version__ as __version__
from .core.errors import (
    BatchNotFound as BatchNotFound,
)
from .core.errors import (
    CheckFailed as CheckFailed,
)
from .core.errors import (
    CommitConflict as CommitConflict,
)
from .core.errors import (
    ForeignChange as ForeignChange,
)
from .core.errors import (
    InconsistentBatch as InconsistentBatch,
)
from .core.errors import (
    InvalidName as InvalidName,
)
from .core.errors import (
    PartitionNotFound as PartitionNotFound,
)
from .core.errors import (
    SchemaMismatch as SchemaMismatch,
)
from .core.errors import (
    SfxError as SfxError,
)
from .core.errors import (
    StaleAttempt as StaleAttempt,
)
from .core.errors import (
    TableNotFound as TableNotFound,
)
from .core.errors import (
    WarehouseUnavailable as WarehouseUnavailable,
)
from .core.ledger import LedgerEntry as LedgerEntry
from .core.manifest import Manifest as Manifest
from .core.pin import BatchPin as BatchPin
from .core.producer import Producer as Producer
from .core.table import TableRef as TableRef
from .warehouse.pins.holds import Hold as Hold
from .warehouse.warehouse import Warehouse as Warehouse
