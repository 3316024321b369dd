"""Commands for streams: consume, show positions and lag, and replay."""
