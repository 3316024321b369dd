"""Values that decide: batch IDs, names, paths, pins, manifests and ledger entries. No input or output."""
