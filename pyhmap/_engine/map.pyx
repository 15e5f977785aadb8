"""The methods of a map: single keys here, batches in batch_read and batch_write.

A method converts its key first, which may run any Python code, and then does everything else in one go; see the kernel
rule in _core.pyx.
"""

from pyhmap._convert.sentinels import NO_DEFAULT

cimport cython
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport uint8_t, uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine cimport batch_read, batch_write
from pyhmap._engine.one_item cimport key_from, key_object, value_object
from pyhmap._engine.one_write cimport remove, remove_loaded, value_to_remove, write
from pyhmap._engine.iterate cimport ITEMS, KEYS, VALUES, iterator
from pyhmap._engine.rwlock cimport wait_to_read, wait_to_write
from pyhmap._kernels.any_key cimport AnyKey, load_key
from pyhmap._kernels.constants cimport EMPTY_ONE, SLOTS
from pyhmap._kernels.dispatch cimport get
from pyhmap._kernels.layout cimport growing, slot_at


cdef void load_first(HMapCore map, AnyKey *k) noexcept:
    """Load the first key from pop_row on. The map has keys, and does not grow."""
    cdef uint64_t row = map.pop_row
    cdef int i
    while True:
        for i in range(SLOTS):
            if map.t.now.tophash[row * SLOTS + i] > EMPTY_ONE:
                map.pop_row = row
                load_key(&map.t, slot_at(&map.t.now, row, i), k)
                return
        row = row + 1 if row + 1 < map.t.now.next_row else 0


cdef class HMapEngine(HMapCore):
    """The compiled methods of :class:`pyhmap.HMap`; use that."""

    # ---- single keys ------------------------------------------------------------------------------------------------

    @cython.critical_section
    def __getitem__(self, key):
        cdef AnyKey k
        cdef const uint8_t *value
        _owner = key_from(self, key, &k)
        wait_to_read(&self.lock)
        if self.old is not None:
            self.evacuate_on_read()
        value = get(&self.t, &k)
        if value == NULL:
            raise KeyError(key)
        return value_object(self, value)

    @cython.critical_section
    def __contains__(self, key):
        cdef AnyKey k
        _owner = key_from(self, key, &k)
        wait_to_read(&self.lock)
        if self.old is not None:
            self.evacuate_on_read()
        return get(&self.t, &k) != NULL

    @cython.critical_section
    def get(self, key, default=None, /):
        """The value of ``key``, or ``default`` if it is missing.

        Like all calls with a key, it raises ``TypeError`` or ``OverflowError`` if the key type cannot hold ``key``.

        >>> from pyhmap import HMap
        >>> m = HMap(str, "i8", {"a": 1})
        >>> m.get("a"), m.get("b"), m.get("b", 0)
        (1, None, 0)
        """
        cdef AnyKey k
        cdef const uint8_t *value
        _owner = key_from(self, key, &k)
        wait_to_read(&self.lock)
        if self.old is not None:
            self.evacuate_on_read()
        value = get(&self.t, &k)
        return default if value == NULL else value_object(self, value)

    @cython.critical_section
    def __setitem__(self, key, value):
        write(self, key, value, True)

    @cython.critical_section
    def setdefault(self, key, default=None, /):
        """The value of ``key``. If it is missing, it is first set to ``default``.

        Give a ``default``: without one it is None, and only a map whose values are objects can hold None. Others raise
        ``TypeError`` if the key is missing.

        >>> from pyhmap import HMap
        >>> m = HMap(str, "i8")
        >>> m.setdefault("a", 1), m.setdefault("a", 2)
        (1, 1)
        """
        return write(self, key, default, False)

    @cython.critical_section
    def __delitem__(self, key):
        cdef bint found
        remove(self, key, False, &found)
        if not found:
            raise KeyError(key)

    @cython.critical_section
    def pop(self, key, default=NO_DEFAULT, /):
        """Remove ``key`` and return its value. If it is missing, return ``default``; without one raise ``KeyError``.

        >>> from pyhmap import HMap
        >>> m = HMap(str, "i8", {"a": 1})
        >>> m.pop("a"), m.pop("a", None)
        (1, None)
        """
        cdef bint found
        value = remove(self, key, True, &found)
        if found:
            return value
        if default is NO_DEFAULT:
            raise KeyError(key)
        return default

    @cython.critical_section
    def popitem(self):
        """Remove and return an arbitrary (key, value) pair. Raises ``KeyError`` if the map is empty.

        Emptying a map in this way takes linear time.

        >>> from pyhmap import HMap
        >>> HMap(str, "i8", {"a": 1}).popitem()
        ('a', 1)
        """
        cdef AnyKey k
        cdef uint64_t seen
        cdef bint found = False
        while not found:
            wait_to_write(&self.lock)
            while growing(&self.t):
                self.end_growth()
                wait_to_write(&self.lock)
            if self.t.count == 0:
                raise KeyError("popitem(): HMap is empty")
            load_first(self, &k)
            _blocks = self.texts                        # keeps the key's bytes
            seen = self.membership
            key = key_object(self, &k)
            item = PyTuple_New(2)                       # like the two objects, before anything is removed
            value = value_to_remove(self, &k, seen, True, &found)
            found = found and seen == self.membership   # else other code has run, and it may be another map by now
        Py_INCREF(key)
        PyTuple_SET_ITEM(item, 0, key)
        Py_INCREF(value)
        PyTuple_SET_ITEM(item, 1, value)
        remove_loaded(self, &k, True)
        return item

    # ---- iteration --------------------------------------------------------------------------------------------------

    @cython.critical_section
    def __iter__(self):
        return iterator(self, KEYS)

    @cython.critical_section
    def _iter_values(self):
        return iterator(self, VALUES)

    @cython.critical_section
    def _iter_items(self):
        return iterator(self, ITEMS)

    # ---- batches ----------------------------------------------------------------------------------------------------

    @cython.critical_section
    def get_many(self, keys, default=..., *, out=None, threads=1):
        """The values of many keys.

        Parameters
        ----------
        keys
            n keys in one dimension: an array of any memory layout, a sequence, or an Arrow column.
        default
            The value for a missing key and for a null: one for all, or one per key. Without it, both raise.
        out
            A writable array of shape (n,) and the map's value dtype, which receives the values. It may overlap
            ``keys``. After an error it may hold the values of some of the keys.
        threads
            The number of threads that share the keys, from 1 on; or "auto" for one thread for each core that the
            process may use. A batch of fewer than some 65,000 keys is read by one thread.

        Returns
        -------
        ndarray of shape (n,) and the map's value dtype (object for str, bytes and object values), or ``out``.

        Raises
        ------
        KeyError
            A key is missing and there is no default. The message names the key and its position.
        ValueError
            A key is null and there is no default, or ``keys`` is not one-dimensional; ``default`` has neither one nor n
            values; ``out`` has another shape or is read-only; ``threads`` is another number or word.
        TypeError, OverflowError
            The key type cannot hold a key (the message names its position), or the value type ``default``; ``out`` has
            another dtype.

        Examples
        --------
        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {1: 10, 2: 20})
        >>> m.get_many([2, 1, 3], default=0)
        array([20, 10,  0])
        >>> m.get_many([2, 1, 3])
        Traceback (most recent call last):
        KeyError: 'key 3 at position 2 is not in the map'
        """
        self.check_initialised()
        return batch_read.get_many(self, keys, default, out, threads)

    @cython.critical_section
    def lookup_many(self, keys, *, threads=1):
        """The values of n keys, and which of the keys are present.

        Returns ``(values, found)``, both of shape (n,). Where ``found`` is False, as it is for nulls, the value is the
        zero of its type. Takes ``keys`` and ``threads`` as ``get_many`` does. A missing key or a null raises nothing.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).lookup_many([1, 2])
        (array([10,  0]), array([ True, False]))
        """
        self.check_initialised()
        return batch_read.lookup_many(self, keys, threads)

    @cython.critical_section
    def contains_many(self, keys, *, threads=1):
        """Which of n keys are in the map: a bool array of shape (n,), False for nulls.

        Takes ``keys`` and ``threads`` as ``get_many`` does. A missing key or a null raises nothing.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).contains_many([1, 2])
        array([ True, False])
        """
        self.check_initialised()
        return batch_read.contains_many(self, keys, threads)

    @cython.critical_section
    def set_many(self, keys, values, *, threads=1):
        """Set ``keys[i]`` to ``values[i]``, in order: of equal keys the last wins. ``values`` may be a single value.

        With ``threads``, several threads write keys and values that are numbers, times or other words, from some 65,000
        keys on; each writes to buckets of its own, so the map is the same as with one. Other types are written by one
        thread. Give a number from 1 on, or "auto" for one thread for each core that the process may use.

        Takes n keys as ``get_many`` does, and n values likewise. Everything is converted and checked before anything is
        set: ``TypeError``, ``OverflowError``, or ``ValueError`` (a null, or another number of values) leave the map as
        it was. If memory runs out while the map grows (``MemoryError``), the keys before that point are set; with
        several threads, some of those after it, too.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64)
        >>> m.set_many(np.arange(4), [5, 6, 7, 8])
        >>> m.set_many([2, 3, 3], 0)
        >>> sorted(m.items())
        [(0, 5), (1, 6), (2, 0), (3, 0)]
        """
        self.check_initialised()
        batch_write.set_many(self, keys, values, threads)

    @cython.critical_section
    def _insert_many(self, keys, threads=1):
        """Set n keys of a map without values. Returns which of them were new, a bool array of shape (n,)."""
        self.check_initialised()
        return batch_write.insert_many(self, keys, threads)

    @cython.critical_section
    def setdefault_many(self, keys, values, *, threads=1):
        """Set the keys that are missing. Returns the values that are then stored, of shape (n,).

        Takes and raises what ``set_many`` does.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).setdefault_many([1, 2, 2], [7, 8, 9])
        array([10,  8,  8])
        """
        self.check_initialised()
        return batch_write.setdefault_many(self, keys, values, threads)

    @cython.critical_section
    def add_many(self, keys, values=1, *, op="add", threads=1):
        """Combine each value with the stored one, in order: ``m[key] = m[key] + value``. Missing keys are set.

        ``op`` is "add", "min" or "max"; ``ValueError`` for others. Ints wrap around as in NumPy; the result is NaN or
        NaT if either value is. The value type must be an int of 8 to 64 bits, a float of 32 or 64 bits, timedelta64,
        datetime64 (not for "add"), or object, whose values are combined in Python; ``TypeError`` for others. In
        structured values and arrays, each field and item is combined with its own; the error names the field that
        cannot be. Takes and raises what ``set_many`` does.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> words = HMap(str, np.int64)
        >>> words.add_many(["to", "be", "or", "not", "to", "be"])
        >>> words["be"], words["or"]
        (2, 1)
        >>> sums = HMap(str, [("amount", np.float64), ("n", np.int64)])     # of two columns at once
        >>> sums.add_many(["a", "b", "a"], (np.array([0.5, 2.0, 1.5]), np.array([1, 1, 1])))
        >>> sums["a"], sums["b"]
        ((2.0, 2), (2.0, 1))
        """
        self.check_initialised()
        batch_write.add_many(self, keys, values, op, threads)

    @cython.critical_section
    def factorize(self, keys):
        """Number n keys in the order of their first occurrence. Returns their codes, an int64 array of shape (n,).

        Codes are 0, 1, 2, ... The map stores them as values, so a key has the same code in a later batch, and new keys
        get the following codes. If the map holds other values, the codes continue after the largest. The code of a
        deleted key is not given again until the map is empty, nor by copies of the map. A null has the code -1.

        The value type must be an int (``TypeError``). Raises ``OverflowError`` if it cannot hold a further code: the
        message names the position of the key, and the keys before it are numbered. Takes keys and raises as
        ``set_many`` does, except for nulls.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> codes = HMap(str, np.int32)
        >>> codes.factorize(["b", "a", "b"]), codes.factorize(["c", "a"])
        (array([0, 1, 0]), array([2, 1]))
        """
        self.check_initialised()
        return batch_write.factorize(self, keys)

    @cython.critical_section
    def pop_many(self, keys, default=...):
        """Remove n keys. Returns their values, of shape (n,).

        For a missing key, and for the second of two equal keys, the value is ``default``: one for all, or one per key.
        Without a default it raises ``KeyError``, which names the key and its position, and the map keeps all keys.
        Takes and raises what ``set_many`` does, even for nulls.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64, {1: 10, 2: 20})
        >>> m.pop_many([2, 3], default=0), len(m)
        (array([20,  0]), 1)
        """
        self.check_initialised()
        return batch_write.pop_many(self, keys, default)

    @cython.critical_section
    def discard_many(self, keys):
        """Remove those of n keys that are in the map. Returns how many were. Takes and raises what ``set_many`` does.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10, 2: 20}).discard_many([2, 3])
        1
        """
        self.check_initialised()
        return batch_write.discard_many(self, keys)

    @cython.critical_section
    def keys_array(self):
        """A copy of the keys, of shape (len,), in iteration order. Its dtype is object for str, bytes and object keys.

        >>> from pyhmap import HMap
        >>> HMap("i4", "f8", {7: 0.5}).keys_array()
        array([7], dtype=int32)
        """
        self.check_initialised()
        return batch_read.copy_out(self, True, False)[0]

    @cython.critical_section
    def values_array(self):
        """A copy of the values, of shape (len,), in iteration order. Its dtype is object for str, bytes and objects.

        >>> from pyhmap import HMap
        >>> HMap("i4", "f8", {7: 0.5}).values_array()
        array([0.5])
        """
        self.check_initialised()
        return batch_read.copy_out(self, False, True)[1]

    @cython.critical_section
    def to_arrays(self):
        """Copies ``(keys, values)``, both of shape (len,), in iteration order, made at one moment.

        >>> from pyhmap import HMap
        >>> HMap("i4", "f8", {7: 0.5}).to_arrays()
        (array([7], dtype=int32), array([0.5]))
        """
        self.check_initialised()
        return batch_read.copy_out(self, True, True)

    @cython.critical_section
    def _chosen(self, choose):
        """Copies of the keys and values, which are numbers or times, of the rows that ``choose(values)`` returns when
        it gets all values in iteration order."""
        self.check_initialised()
        return batch_read.copy_out(self, True, True, False, choose)

    @cython.critical_section
    def _columns(self, with_values):
        """The keys, and the values or None, as ``arrow_table`` takes them."""
        self.check_initialised()
        return batch_read.copy_out(self, True, with_values, True)
