"""Bytes in foreign memory: Arrow columns, UTF-8, XXH64. Shared by ``pyhmap`` and ``tophash_cache``; private to them.

arrow_types     names of Arrow types; protocols of objects that export Arrow data, for type checkers
raw_bytes       unaligned loads, prefetching, padding
utf8            UTF-8 from code points
xxh64           the XXH64 digest
arrow_abi       the structs of the Arrow C data interface
arrow_items     one item of Arrow's text layouts, checked
arrow_column    the import, check and release of a column
"""
