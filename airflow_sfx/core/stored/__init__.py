"""Log entries, checkpoints and manifests as they are stored."""
