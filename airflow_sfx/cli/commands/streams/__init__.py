"""Commands for streams: run a consumer, show positions, lag and dead letters, and replay."""
