"""The two forms of a packed component: a small one, and a Parquet file.

Modules: ``small`` frames less than 4 kB with a checksum, ``thrift`` and ``parquet`` write and read
the pages and the footer of Parquet files, ``sealed`` adds their checksum.
"""
