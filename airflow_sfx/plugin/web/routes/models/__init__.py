"""Routes of models: their versions, aliases and artifacts."""
