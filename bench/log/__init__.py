"""The log of a table on S3 and a Hive Metastore."""
