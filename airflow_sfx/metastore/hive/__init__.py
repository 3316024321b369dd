"""The Hive Metastore: its client, locks, addresses and conversions."""
