"""Holds, lineage and consumer offsets."""
