"""The process behind the R package, which answers requests until R ends.

The client starts ``sfx session DIRECTORY``, and connects to the address that appears there. Each
request is a line of JSON, and so is each reply; frames are RDS files in the directory.
"""
