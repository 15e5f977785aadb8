"""The methods of a frozen map: single keys, iteration, batches, and building it."""

import numpy as np

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pyhmap._core cimport HMapCore
from pyhmap._engine cimport batch_read, freeze
from pyhmap._engine.batch_items cimport Items, empty_keys, finished_keys, keys_of, values_of
from pyhmap._engine.frozen_core cimport FrozenCore, memory_of, raise_closed, value_of
from pyhmap._engine.iterate cimport ITEMS, KEYS, Part, VALUES
from pyhmap._engine.one_item cimport key_from, key_object
from pyhmap._kernels.any_key cimport AnyKey
from pyhmap._kernels.constants cimport CHUNK, RELEASE_GIL_FROM
from pyhmap._kernels.frozen cimport find_entry, first_astray, gather_rows, load_any_key, row_of_code


cdef class FrozenEngine(FrozenCore):
    """The compiled methods of :class:`pyhmap.FrozenMap`; use that."""

    # ---- building, by pyhmap.frozen only: a map that others can see never changes -----------------------------------

    def _freeze_map(self, HMapCore map not None, threads, progress):
        self.check_initialised()
        freeze.freeze_map(self, map, threads, progress)

    def _freeze_arrays(self, keys, values, threads, progress, look_for_duplicates):
        self.check_initialised()
        cdef Items key_items = keys_of(self, keys, False)
        key_items.refuse_nulls("keys")
        cdef Items value_items = values_of(self, values, key_items.n)
        freeze.freeze_items(self, key_items, value_items, threads, progress, look_for_duplicates)

    def _first_astray(self):
        """The first row whose key does not lead to it; or the number of rows."""
        cdef uint64_t row
        self.check_initialised()
        self.verify_all()
        _memory = memory_of(self)
        with nogil:
            row = first_astray(&self.f, &self.t)
        return row

    cdef int check_open(self) except -1:
        """Before a batch: one without keys would not notice that there is no map."""
        self.check_initialised()
        memory_of(self)
        return 0

    # ---- single keys ------------------------------------------------------------------------------------------------

    @cython.critical_section
    def __getitem__(self, key):
        cdef AnyKey k
        cdef const uint8_t *entry
        _owner = key_from(self, key, &k)
        if self.verify_block is not None:
            self.verify_key(&k)
        if self.memory is None:
            raise_closed(self)
        entry = find_entry(&self.f, &self.t, &k)
        if entry == NULL:
            raise KeyError(key)
        return value_of(self, entry)

    @cython.critical_section
    def __contains__(self, key):
        cdef AnyKey k
        _owner = key_from(self, key, &k)
        if self.verify_block is not None:
            self.verify_key(&k)
        if self.memory is None:
            raise_closed(self)
        return find_entry(&self.f, &self.t, &k) != NULL

    @cython.critical_section
    def get(self, key, default=None, /):
        """The value of ``key``, or ``default`` if it is missing.

        >>> from pyhmap import HMap
        >>> f = HMap(str, "i8", {"a": 1}).freeze()
        >>> f.get("a"), f.get("b"), f.get("b", 0)
        (1, None, 0)
        """
        cdef AnyKey k
        cdef const uint8_t *entry
        _owner = key_from(self, key, &k)
        if self.verify_block is not None:
            self.verify_key(&k)
        if self.memory is None:
            raise_closed(self)
        entry = find_entry(&self.f, &self.t, &k)
        return default if entry == NULL else value_of(self, entry)

    # ---- iteration, in the order of the rows ------------------------------------------------------------------------

    def __iter__(self):
        return rows_of(self, KEYS)

    def _iter_values(self):
        return rows_of(self, VALUES)

    def _iter_items(self):
        return rows_of(self, ITEMS)

    # ---- batches ----------------------------------------------------------------------------------------------------

    def get_many(self, keys, default=..., *, out=None, threads=1):
        """The values of many keys; see :meth:`HMap.get_many`.

        >>> import numpy as np
        >>> from pyhmap import FrozenMap
        >>> FrozenMap.from_arrays(np.array([1, 2]), np.array([10, 20])).get_many([2, 1, 3], default=0)
        array([20, 10,  0])
        """
        self.check_open()
        return batch_read.get_many(self, keys, default, out, threads)

    def lookup_many(self, keys, *, threads=1):
        """The values of n keys, and which of the keys are present; see :meth:`HMap.lookup_many`.

        >>> import numpy as np
        >>> from pyhmap import FrozenMap
        >>> FrozenMap.from_arrays(np.array([1]), np.array([10])).lookup_many([1, 2])
        (array([10,  0]), array([ True, False]))
        """
        self.check_open()
        return batch_read.lookup_many(self, keys, threads)

    def contains_many(self, keys, *, threads=1):
        """Which of n keys are in the map; see :meth:`HMap.contains_many`.

        >>> import numpy as np
        >>> from pyhmap import FrozenMap
        >>> FrozenMap.from_arrays(np.array([1]), np.array([10])).contains_many([1, 2])
        array([ True, False])
        """
        self.check_open()
        return batch_read.contains_many(self, keys, threads)

    def positions(self, keys, *, threads=1):
        """The rows of n keys in :meth:`keys_array` and :meth:`values_array`: an int64 array of shape (n,), -1 for a
        missing key and for a null.

        Rows are 0 to ``len(f) - 1``, so an array with one item per row can stand beside the map. Takes ``keys`` and
        ``threads`` as ``get_many`` does.

        >>> import numpy as np
        >>> from pyhmap import FrozenMap
        >>> f = FrozenMap.from_arrays(np.array([10, 20, 30]), np.array([1, 2, 3]))
        >>> rows = f.positions([30, 40, 10])
        >>> f.keys_array()[rows[[0, 2]]], int(rows[1])
        (array([30, 10]), -1)
        """
        self.check_open()
        return batch_read.positions(self, keys, threads)

    def keys_array(self):
        """A copy of the keys, of shape (len,), in iteration order. Its dtype is object for str and bytes keys.

        >>> from pyhmap import HMap
        >>> HMap("i4", "f8", {7: 0.5}).freeze().keys_array()
        array([7], dtype=int32)
        """
        self.check_open()
        return batch_read.copy_rows(self, True, False)[0]

    def values_array(self):
        """A copy of the values, of shape (len,), in iteration order. Its dtype is object for str and bytes values.

        >>> from pyhmap import HMap
        >>> HMap("i4", "f8", {7: 0.5}).freeze().values_array()
        array([0.5])
        """
        self.check_open()
        return batch_read.copy_rows(self, False, True)[1]

    def to_arrays(self):
        """Copies ``(keys, values)``, both of shape (len,), in iteration order.

        >>> from pyhmap import HMap
        >>> HMap("i4", "f8", {7: 0.5}).freeze().to_arrays()
        (array([7], dtype=int32), array([0.5]))
        """
        self.check_open()
        return batch_read.copy_rows(self, True, True)

    def _keys_at(self, row_at, codes, joined):
        """The keys in ``row_at[codes]``; both are contiguous arrays, of uint32 with an item per key and of int64.
        ``joined`` and the result are those of IndexEngine._keys_at()."""
        cdef const uint32_t[::1] rows = row_at
        cdef const int64_t[::1] given = codes
        cdef uint64_t n = len(given), at = 0, stop, done, width = 0
        cdef uint8_t[::1] out
        self.check_open()
        keys = empty_keys(self, n)
        if n:
            out = keys.reshape(-1).view(np.uint8)
            width = len(out) // n
        if self.f.count == 0 and n:
            return 0
        _memory = memory_of(self)                       # what the answers point to, until the end
        while at < n:
            stop = min(n, at + CHUNK)
            if self.verify_block is not None:
                self.verify_codes(&rows[0], &given[0], at, stop)
            if n < RELEASE_GIL_FROM:
                done = gather_rows(&self.f, &self.t, &rows[0], &given[at], stop - at, &out[at * width])
            else:
                with nogil:
                    done = gather_rows(&self.f, &self.t, &rows[0], &given[at], stop - at, &out[at * width])
            if done < stop - at:
                return at + done
            at = stop
            PyErr_CheckSignals()
        return finished_keys(self, keys, joined)

    @cython.critical_section
    def _key_in(self, row):
        """The key of a row, of a map that has keys."""
        cdef AnyKey k
        cdef uint32_t at = row
        cdef int64_t code = 0                           # whose row is `at`
        self.check_open()
        if self.verify_block is not None:
            self.verify_codes(&at, &code, 0, 1)
        _memory = memory_of(self)
        load_any_key(&self.t, self.f.entries + row_of_code(&self.f, &at, code) * self.f.stride, &k)
        return key_object(self, &k)

    def _chosen(self, choose):
        """Copies of the keys and values, which are numbers or times, of the rows that ``choose(values)`` returns when
        it gets all values in iteration order."""
        self.check_open()
        return batch_read.copy_rows(self, True, True, False, choose)

    def _columns(self, with_values):
        """The keys, and the values or None, as ``arrow_table`` takes them."""
        self.check_open()
        return batch_read.copy_rows(self, True, with_values, True)


cdef object rows_of(FrozenCore map, Part part):
    map.check_initialised()
    map.verify_all()
    memory_of(map)
    cdef FrozenIterator iterator = FrozenIterator.__new__(FrozenIterator)
    iterator.map, iterator.part = map, part
    return iterator


cdef class FrozenIterator:
    """Walks the rows in order."""
    cdef FrozenCore map
    cdef Part part
    cdef uint64_t row

    def __iter__(self):
        return self

    @cython.critical_section
    def __length_hint__(self):
        return 0 if self.map is None else self.map.f.count - self.row

    def __next__(self):
        cdef FrozenCore map
        with cython.critical_section(self):
            map = self.map
            if map is not None and self.row == map.f.count:
                map = self.map = None
        if map is None:
            raise StopIteration
        _memory = memory_of(map)
        with cython.critical_section(self):
            return next_item(self, map)


cdef inline object next_item(FrozenIterator it, FrozenCore map):
    """The next item. The caller holds the memory. Another thread may use this iterator, too."""
    cdef AnyKey k
    cdef const uint8_t *entry
    if it.map is None or it.row == map.f.count:
        it.map = None
        raise StopIteration
    entry = map.f.entries + it.row * map.f.stride
    it.row += 1
    if it.part == VALUES:
        return value_of(map, entry)
    load_any_key(&map.t, entry, &k)
    if it.part == KEYS:
        return key_object(map, &k)
    return key_object(map, &k), value_of(map, entry)
