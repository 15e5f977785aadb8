"""The batch calls: arrays in, arrays out, the GIL released. Imports the engine and the batch kernels.

Each call converts its keys and values first, then works through them in chunks: enter the gate, run the kernel without
the GIL, leave, act on what stopped it, look at pending signals. Between chunks other threads may write.
"""

import threading

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t, uint64_t

from pyhmap import _dtypes

from pyhmap._batch cimport Reading, collect, put_batch, read_batch
from pyhmap._core cimport HMapCore
from pyhmap._gate cimport begin_read, begin_write, end_read, end_write
from pyhmap._layout cimport growing
from pyhmap._types cimport EVACUATE_PER_KEY

cdef enum:
    CHUNK = 1 << 20             # keys a batch handles between two looks at pending signals: some 30 ms
    RELEASE_FROM = 512          # keys from which on a batch gives up the GIL: it then works for more than 5 us
    THREAD_SHARE = 1 << 15      # keys a thread must have to be worth starting: its start costs some 50 us

cdef object MISSING_ARGUMENT = object()


cdef class HMapMany(HMapCore):
    """The engine with the batch calls of :class:`pyhmap.HMap`; use that."""

    def get_many(self, keys, default=MISSING_ARGUMENT, *, out=None, threads=1):
        """The values of many keys.

        Parameters
        ----------
        keys
            One-dimensional, n keys: an array (of any layout), or a sequence.
        default
            The value of a missing key. Without it a missing key raises ``KeyError`` naming key and position.
        out
            A writable array of shape (n,) and the map's value dtype that receives the values; it may overlap ``keys``.
        threads
            Threads to share the keys among.

        Returns
        -------
        ndarray of shape (n,) and the map's value dtype; ``out`` if given.

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
        cdef uint64_t fill = 0
        self.check_initialised()
        array = _dtypes.as_keys(keys, self._key_dtype)
        if default is not MISSING_ARGUMENT:
            self.value_word(default, &fill)
        values = np.empty(len(array), self._value_dtype) if out is None else self.check_out(out, len(array))
        plain = values.flags.c_contiguous and values.flags.aligned
        direct = values if plain else np.empty(len(array), self._value_dtype)
        if out is not None and np.may_share_memory(array, direct):
            array = array.copy()
        missed = self.read_many(array, direct, None, fill, default is MISSING_ARGUMENT, threads)
        if missed < len(array):
            raise KeyError(f"key {array[missed]!s} at position {missed} is not in the map")
        if direct is not values:
            values[...] = direct
        return values

    def lookup_many(self, keys, *, threads=1):
        """The values of many keys, and which of them are there.

        Returns ``(values, found)``, both of shape (n,); values are zero where ``found`` is False.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).lookup_many([1, 2])
        (array([10,  0]), array([ True, False]))
        """
        self.check_initialised()
        array = _dtypes.as_keys(keys, self._key_dtype)
        values = np.empty(len(array), self._value_dtype)
        found = np.empty(len(array), bool)
        self.read_many(array, values, found, 0, False, threads)
        return values, found

    def contains_many(self, keys, *, threads=1):
        """Which of many keys are in the map: a bool array of shape (n,).

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> HMap(np.int64, np.int64, {1: 10}).contains_many([1, 2])
        array([ True, False])
        """
        self.check_initialised()
        array = _dtypes.as_keys(keys, self._key_dtype)
        found = np.empty(len(array), bool)
        self.read_many(array, None, found, 0, False, threads)
        return found

    def set_many(self, keys, values):
        """Set ``keys[i]`` to ``values[i]``, in order: of equal keys the last wins. ``values`` may be a scalar.

        Everything is converted and checked before anything is set. Should memory run out while the map grows, the keys
        before that point are set.

        >>> import numpy as np
        >>> from pyhmap import HMap
        >>> m = HMap(np.int64, np.int64)
        >>> m.set_many(np.arange(4), [5, 6, 7, 8])
        >>> m.set_many([2, 3, 3], 0)
        >>> sorted(m.items())
        [(0, 5), (1, 6), (2, 0), (3, 0)]
        """
        self.check_initialised()
        array = _dtypes.as_keys(keys, self._key_dtype)
        stored = _dtypes.as_values(values, self._value_dtype, len(array))
        cdef const uint64_t[::1] k = array.view(np.uint64)
        cdef const uint64_t[::1] v = stored.view(np.uint64)
        cdef uint64_t n = len(array), i = 0, stop, done, count
        if n == 0:
            return
        self.spend(EVACUATE_PER_KEY * n)
        while i < n:
            stop = min(n, i + CHUNK)
            begin_write(&self.gate)
            count = self.t.count
            if stop - i < RELEASE_FROM:
                done = put_batch(&self.t, &k[0], &v[0], i, stop)
            else:
                with nogil:
                    done = put_batch(&self.t, &k[0], &v[0], i, stop)
            self.version += self.t.count != count
            end_write(&self.gate)
            self.let_go()
            i = done
            if done < stop:
                self.start_growth()
                self.spend(EVACUATE_PER_KEY * (n - i))
            PyErr_CheckSignals()
        self.written(False)

    cdef check_out(self, out, Py_ssize_t n):
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out is of type {type(out).__name__}: give a NumPy array")
        if out.dtype != self._value_dtype:
            raise TypeError(f"out is of dtype {out.dtype}; this map holds {self._value_dtype}")
        if out.shape != (n,):
            raise ValueError(f"out is of shape {out.shape}; {n} keys need ({n},)")
        if not out.flags.writeable:
            raise ValueError("out is read-only")
        return out

    cdef int64_t read_many(self, keys, values, found, uint64_t fill, bint stop_at_miss, threads) except -1:
        """Read all keys; returns the position of the first miss if stopping there, else len(keys)."""
        cdef ReadCall call = ReadCall(self, keys, values, found)
        cdef uint64_t n = len(keys)
        if not isinstance(threads, (int, np.integer)) or threads < 1:
            raise ValueError(f"threads={threads!r}: give a whole number from 1 on")
        call.r.fill = fill
        call.r.stop_at_miss = stop_at_miss
        self.spend(EVACUATE_PER_KEY * n)
        parts = max(1, min(threads, n // THREAD_SHARE))
        return call.run(0, n) if parts == 1 else call.share(n, parts)

    def keys_array(self):
        """A copy of the keys, of shape (len,), in the order of iteration."""
        return self.collected(True, False)[0]

    def values_array(self):
        """A copy of the values, of shape (len,), in the order of iteration."""
        return self.collected(False, True)[1]

    def to_arrays(self):
        """Copies ``(keys, values)``, both of shape (len,), in the order of iteration."""
        return self.collected(True, True)

    cdef collected(self, bint want_keys, bint want_values):
        cdef uint64_t[::1] k, v
        cdef uint64_t n
        self.check_initialised()
        while True:
            self.settle()
            n = self.t.count
            keys = np.empty(n if want_keys else 0, self._key_dtype)
            values = np.empty(n if want_values else 0, self._value_dtype)
            k, v = keys.view(np.uint64), values.view(np.uint64)
            begin_read(&self.gate)
            if not growing(&self.t) and self.t.count == n:      # nobody wrote while arrays were made
                break
            end_read(&self.gate)
        if n:
            with nogil:
                collect(&self.t.now, &k[0] if want_keys else NULL, &v[0] if want_values else NULL)
        end_read(&self.gate)
        return keys, values


cdef class ReadCall:
    """One read call, and the arrays it works on: alive as long as a thread is in it, even if the caller has left."""
    cdef HMapMany map
    cdef const uint64_t[::1] keys
    cdef uint64_t[::1] values
    cdef uint8_t[::1] found
    cdef Reading r

    def __init__(self, HMapMany map, keys, values, found):
        self.map = map
        if len(keys) == 0:
            return                      # there is no first element to point to, and nothing to do
        self.keys = keys.view(np.uint64)
        self.r.keys = &self.keys[0]
        if values is not None:
            self.values = values.view(np.uint64)
            self.r.values = &self.values[0]
        if found is not None:
            self.found = found.view(np.uint8)
            self.r.found = &self.found[0]

    cdef int64_t run(self, uint64_t start, uint64_t stop) except -1:
        """Read keys[start:stop]; returns stop or the position of the first miss, as read_many does."""
        cdef HMapMany map = self.map
        cdef uint64_t chunk_stop
        while start < stop:
            chunk_stop = min(stop, start + CHUNK)
            begin_read(&map.gate)
            if stop - start < RELEASE_FROM:
                start = read_batch(&map.t, &self.r, start, chunk_stop)
            else:
                with nogil:
                    start = read_batch(&map.t, &self.r, start, chunk_stop)
            end_read(&map.gate)
            if start < chunk_stop:
                return start            # a miss to stop at
            PyErr_CheckSignals()
        return stop

    def share(self, uint64_t n, parts):
        """Read all n keys in so many threads, of which the calling one is the first."""
        bounds = [n * part // parts for part in range(parts + 1)]
        ends = bounds[1:]
        errors = []

        def read(part):
            try:
                ends[part] = self.run(bounds[part], bounds[part + 1])
            except BaseException as error:
                errors.append(error)

        helpers = [threading.Thread(target=read, args=(part,)) for part in range(1, parts)]
        for helper in helpers:
            helper.start()
        try:
            read(0)
        finally:
            for helper in helpers:
                helper.join()
        if errors:
            raise errors[0]
        for part in range(parts):
            if ends[part] < bounds[part + 1]:
                return ends[part]
        return n
