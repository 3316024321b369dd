"""The operators of models: one file each."""
