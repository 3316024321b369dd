# The public names, for type checkers; the package loads them on first use.
from .aws_lambda import lambda_handler as lambda_handler
from .kafka import KafkaSource as KafkaSource
from .kinesis import KinesisSource as KinesisSource
from .lag import StreamLag as StreamLag, stream_lag as stream_lag
from .source import (
    Chunk as Chunk,
    Shard as Shard,
    ShardReader as ShardReader,
    Source as Source,
    StreamRecord as StreamRecord,
)
from .spark import foreach_batch as foreach_batch
