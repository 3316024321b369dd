"""Objects: put, put-if-absent, get and list, for ``file://``, ``s3://`` and ``memory://``."""
