"""Servers of one model side by side: the same artifact, the same client, in turns."""
