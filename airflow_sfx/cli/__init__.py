"""The command line, `sfx`."""
