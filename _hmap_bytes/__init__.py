"""Bytes in foreign memory: Arrow columns, UTF-8, XXH64. Private to ``pyhmap`` and ``tophash_cache``, which both use it.

memory          unaligned loads, prefetching, padding
utf8            UTF-8 from code points
xxh64           the XXH64 digest
arrow_abi       the structs of the Arrow C data interface
arrow_items     one item of Arrow's layouts of text, with its bounds checked
arrow_column    the import, check and release of a column
"""
