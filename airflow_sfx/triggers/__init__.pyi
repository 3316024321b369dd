from .consistency import BatchConsistencyTrigger as BatchConsistencyTrigger
from .job import JobTrigger as JobTrigger
from .partition import BatchPartitionTrigger as BatchPartitionTrigger
