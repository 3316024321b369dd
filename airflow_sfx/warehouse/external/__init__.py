"""Tables, partitions and files that other engines made: adopt, add, reconcile."""
