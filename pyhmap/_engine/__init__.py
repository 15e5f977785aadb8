"""The compiled engine: memory, lock, and the calls that run the kernels on a table.

rwlock, memory      who may touch a table; where its arrays lie
../_core.pyx        HMapCore: the table, its growth and shrinking
one_item, iterate   one key or value, from Python and back; iterators
batch_items         a batch as the kernels read it
batch_read          batch look-ups
batch_write         batch writes
batch_by_item.py    what each batch call means, item by item; used for objects
map.pyx             HMapEngine: the methods of a map
"""
