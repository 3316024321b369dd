"""Values and rules without I/O: batch IDs, names, paths, pins, manifests, ledger entries."""
