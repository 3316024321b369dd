"""Values and rules without I/O: names, paths, pins, manifests, log entries."""
