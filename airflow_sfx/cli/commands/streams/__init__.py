"""Commands about streams: a consumer, what it reached, what failed, and a replay."""
