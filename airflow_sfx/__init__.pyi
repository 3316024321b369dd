# The public names, each once: type checkers read them here, and so does the package itself.
from . import (
    checks as checks,
    components as components,
    models as models,
    streams as streams,
)
from ._default import (
    adopt as adopt,
    aggregate as aggregate,
    audit as audit,
    changes as changes,
    check as check,
    compact as compact,
    connect as connect,
    declared_checks as declared_checks,
    diff as diff,
    discard as discard,
    drop as drop,
    drop_column as drop_column,
    end_retention as end_retention,
    erase as erase,
    history as history,
    hold as hold,
    holds as holds,
    load_dataframe as load_dataframe,
    manifests as manifests,
    metrics as metrics,
    night as night,
    pin as pin,
    pin_and_hold as pin_and_hold,
    pinned_table_sql as pinned_table_sql,
    plan_rollback as plan_rollback,
    policies as policies,
    publish as publish,
    release as release,
    rename as rename,
    rename_column as rename_column,
    repair as repair,
    retain as retain,
    retain_all as retain_all,
    rollback as rollback,
    rollback_backfill as rollback_backfill,
    rollback_commit as rollback_commit,
    rollback_run as rollback_run,
    set_checks as set_checks,
    set_retention as set_retention,
    show as show,
    sql as sql,
    sql_pins as sql_pins,
    staged as staged,
    stale as stale,
    store_dataframe as store_dataframe,
    store_window as store_window,
    stream_positions as stream_positions,
    tables as tables,
    verify as verify,
)
from ._version import __version__ as __version__
from .core.errors import (
    BatchNotFound as BatchNotFound,
    CheckFailed as CheckFailed,
    CommitConflict as CommitConflict,
    ForeignChange as ForeignChange,
    InconsistentBatch as InconsistentBatch,
    InvalidName as InvalidName,
    JobFailed as JobFailed,
    ModelRefused as ModelRefused,
    PartitionNotFound as PartitionNotFound,
    PositionConflict as PositionConflict,
    RecordsExpired as RecordsExpired,
    SchemaMismatch as SchemaMismatch,
    SfxError as SfxError,
    StaleAttempt as StaleAttempt,
    StreamUnavailable as StreamUnavailable,
    TableNotFound as TableNotFound,
    WarehouseUnavailable as WarehouseUnavailable,
)
from .core.log_entry import LogEntry as LogEntry
from .core.manifest import Manifest as Manifest
from .core.pin import BatchPin as BatchPin
from .core.positions import Consumed as Consumed
from .core.producer import Producer as Producer
from .core.table import TableRef as TableRef
from .jobs import job as job
from .portability.function import portable as portable
from .warehouse.pins.holds import Hold as Hold
from .warehouse.warehouse import Warehouse as Warehouse
