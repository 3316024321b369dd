from .consistency import BatchConsistencyTrigger as BatchConsistencyTrigger
from .job import JobTrigger as JobTrigger
from .model_drift import ModelDriftTrigger as ModelDriftTrigger
from .partition import BatchPartitionTrigger as BatchPartitionTrigger
from .stream_lag import StreamLagTrigger as StreamLagTrigger
