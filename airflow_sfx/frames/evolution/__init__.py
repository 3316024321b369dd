"""Schema evolution: changes of a table's columns, and batches of several schemas.

- `evolve`: a table's columns after a frame with other columns is stored.
- `unify`: the schema that the rows of several batches fit.
- `project`: rows of one batch in the unified schema.
- `declared_types`: columns whose Hive types the caller declares.
- `exact_cast`: casts that lose no value.
- `remedies`: what helps against columns that do not fit, by the cause.
- `table_types`: columns cast to the types of their table, where no value is lost.
"""
