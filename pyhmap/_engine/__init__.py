"""The compiled engine: memory, lock, and the calls that run the kernels on a table.

rwlock, memory      who may touch a table; where its arrays lie
../_core.pyx        HMapCore: the table, its growth and shrinking
one_item, iterate   one key or value, from Python and back; iterators
one_write           writing one key
single              arrays and lists that are given to a call with one key
batch_items         a batch as the kernels read it
batch_values        the values of a batch, typed or objects
batch_objects       the batch calls of maps of object keys
batch_read          batch look-ups
batch_write         batch writes
map.pyx             HMapEngine: the methods of a map
"""
