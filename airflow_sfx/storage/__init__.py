"""Object stores: ``file://``, ``s3://`` and ``memory://`` behind one interface."""
