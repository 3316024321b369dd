"""Sizes of model components, beside those of general formats."""
