"""R's own file format, RDS: frames of R to Arrow tables and back, exactly.

R writes the files with `serialize(version = 2)`, uncompressed. Reading one runs no code: whatever
is not a vector of values (functions, environments, language, S4 objects) is refused.
"""
