"""The compiled engine: memory, lock, and the calls that run the kernels on a table.

threads             dividing the work of a call among threads
rwlock, memory      who may touch a table; where its arrays lie
typed               TypedMap: the types of keys and values, and how they lie in a slot
../_core.pyx        HMapCore: the table, its growth and shrinking
one_item, iterate   one key or value, from Python and back; iterators
one_write           writing one key
single              arrays and lists that are given to a call with one key
batch_items         a batch as the kernels read it
batch_values        the values of a batch, typed or objects
batch_objects       the batch calls of maps of object keys
frozen_core         FrozenCore: the memory of a frozen map
batch_read          batch look-ups
batch_write         batch writes
map.pyx             HMapEngine: the methods of a map
freeze              building a frozen map
frozen              FrozenEngine: the methods of a frozen map
"""
