"""The loops that call numba's typed dictionary, in the verb ``peers``.

They are compiled once per run: the parent process names a folder for them by ``NUMBA_CACHE_DIR``.
"""

from typing import Any

import numba
import numpy as np

KEY_TYPES = {"int64": numba.int64, "float64": numba.float64}


def make(key: Any, size: int) -> Any:
    """An empty dictionary, with room for so many keys."""
    return numba.typed.Dict.empty(key, numba.int64, n_keys=size)


@numba.njit(cache=True)
def fill(table, keys, values):
    for i in range(len(keys)):
        table[keys[i]] = values[i]


@numba.njit(cache=True)
def hit(table, keys, out):
    for i in range(len(keys)):
        out[i] = table[keys[i]]
    return out


@numba.njit(cache=True)
def find(table, keys, default, out):
    for i in range(len(keys)):
        out[i] = table.get(keys[i], default)
    return out


@numba.njit(cache=True)
def delete(table, keys):
    for key in keys:
        del table[key]


@numba.njit(cache=True)
def iterate(table, keys):
    values = np.empty(len(table), np.int64)
    for i, (key, value) in enumerate(table.items()):
        keys[i] = key
        values[i] = value
    return values


@numba.njit(cache=True)
def accumulate(table, keys):
    for key in keys:
        table[key] = table.get(key, 0) + 1


@numba.njit(cache=True)
def factorize(table, keys):
    out = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        code = table.get(keys[i], -1)
        if code < 0:
            code = len(table)
            table[keys[i]] = code
        out[i] = code
    return out
