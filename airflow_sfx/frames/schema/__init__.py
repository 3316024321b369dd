"""The schema of a frame: in files, in the metastore, and as text in the manifest.

- `physical`: the types of columns in files, and the conversion of tables to them and back.
- `kinds`: the logical types of columns, where their Hive types do not determine them.
- `time_marks`: units and ranges of the times in columns.
- `partition_values`: partition values, stored as text, as values of their types.
- `codec`: a schema as text, and back.
- `signature`: a description of a loaded frame, to compare two.
- `utf8`: the check that text is UTF-8.
"""
