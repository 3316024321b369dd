"""What several consumers of a stream need: who they are, and records that wait.

Modules: ``leases`` says which consumers are alive and where a table starts in a stream, ``intake``
reads shards into bounded memory, and ``shards`` orders shards after their parents.
"""
