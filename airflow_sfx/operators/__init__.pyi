from .pin import PinBatchesOperator as PinBatchesOperator
from .publish import PublishBatchOperator as PublishBatchOperator
from .retain import RetainBatchesOperator as RetainBatchesOperator
from .rollback import RollbackBatchOperator as RollbackBatchOperator
from .spark import SparkBatchOperator as SparkBatchOperator
from .sql import SqlToBatchOperator as SqlToBatchOperator
from .store import StoreBatchOperator as StoreBatchOperator
from .verify import VerifyBatchOperator as VerifyBatchOperator
