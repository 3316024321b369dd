"""Servers of streams that run here, and streams on them."""
