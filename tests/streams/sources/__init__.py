"""Sources of streams, on servers that run here."""
