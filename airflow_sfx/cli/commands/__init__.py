"""The commands of `sfx`, a module for each family."""
