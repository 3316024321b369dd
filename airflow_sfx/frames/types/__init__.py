"""Types of single columns: Arrow types, Hive types, and the casts between them.

- `families`, `nested`: predicates on Arrow types, and the parts of nested ones.
- `encodings`: run ends and string views, decoded.
- `open_types`: types of columns that have had no value yet.
- `hive`: Arrow types to Hive types, and back.
- `limits`: nesting, length and time zones that all readers support.
- `logical`: a frame's schema, with its dictionaries and time marks.
- `casts`: arrays from a frame's type to the type in files, and back.
- `lossless`, `widening`: which values a cast would change; the narrowest common type.
- `polars`: tables in types that polars supports.
"""
