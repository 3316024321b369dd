from .consistency import BatchConsistencySensor as BatchConsistencySensor
from .model_drift import ModelDriftSensor as ModelDriftSensor
from .partition import BatchPartitionSensor as BatchPartitionSensor
from .stream_lag import StreamLagSensor as StreamLagSensor
