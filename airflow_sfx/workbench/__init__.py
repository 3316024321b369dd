"""Workbenches: notebooks in containers, with the libraries, R and the warehouse.

`Workbenches` in `workbenches` is every call. A workbench belongs to a person, has limits of memory,
processors and time, and ends by itself.
"""
