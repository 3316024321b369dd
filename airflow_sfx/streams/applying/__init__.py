"""What happens to records on their way into a table.

Modules: ``running`` decodes them and calls the function, ``windows`` places its rows in partitions,
``dead_letters`` keeps the records that fail, and ``refusals`` finds rows that the table refuses.
"""
