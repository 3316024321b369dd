"""A long-lived `sfx` process that answers another language's requests: the R package's other end.

The client starts ``sfx session DIRECTORY``, and connects to the address that appears there. Each
request is a line of JSON, and so is each reply; frames are RDS files in the directory.
"""
