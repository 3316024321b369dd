"""What AWS Lambda runs for the stream of departures: ``lambda_app.handler``."""

from __future__ import annotations

from streaming.features import delay_features

import airflow_sfx as sfx

handler = sfx.streams.lambda_handler(
    delay_features,
    "ways.streamed",
    partition_by=["day", "hour"],
    event_time="time_hour",
)
