"""Makes each call of hostile_calls.py with its first, second, third, ... allocation failing, over one kind of map.

After a MemoryError the map is as it was, or as it should be, and a frozen map is as it was; and nothing else is raised.
A program of its own, since memory fails for all that runs beside: `python failing_memory.py KIND`, with
failing_malloc.c preloaded.
"""

import ctypes
import gc
import sys
import traceback
from collections.abc import Callable
from itertools import count
from typing import Any

from hostile_calls import CALLS, FROZEN_CALLS, INDEX_CALLS, NEW, OLD, Kind, has_objects, may_be_left, pairs_of
from pyhmap import ExpiringMap, ExpiringSet, HIndex

# NumPy reads the module that dtype.__reduce__ could not import, or the result of a comparison that failed.
CRASH_NUMPY = {"copy.deepcopy", "pickle", "pickle of a frozen one", "check an index", "thaw an index"}
# NumPy's ufuncs may raise a SystemError instead, and so may a Python function that raises: CPython forgets the error if
# there is no memory for its traceback.
OTHER_ERROR = {"equal", "stats", "check", "freeze", "from_arrays", "from_arrays with duplicates", "from_array"}
OTHER_ERROR |= {"most_common", "encode", "merge", "copy", "thaw", "decode to Arrow", "decode of a frozen one"}
OTHER_ERROR |= {"expiring"}  # each of their calls: all are arithmetic on arrays
ENOUGH = 30  # calls in a row that succeed: a failed allocation may also be one that the call can do without

library = ctypes.PyDLL(None)
fail_after, never_fail = library.fail_after, library.never_fail
fail_after.argtypes, fail_after.restype = (ctypes.c_long,), None
never_fail.argtypes, never_fail.restype = (), ctypes.c_long


def attempt(call: str, n: int, make: Callable[[], object]) -> tuple[bool, bool]:
    """Whether a call reached its failing allocation, and whether it succeeded."""
    succeeded = False
    try:
        fail_after(n)
        make()
        succeeded = True
    except MemoryError:
        pass
    except SystemError:
        if call not in OTHER_ERROR:
            raise
    finally:
        left = -1
        while True:
            try:
                left = max(left, never_fail())
                break
            except MemoryError:
                pass
    return left < 0, succeeded


def outcome(name: str, call: str, n: int) -> tuple[bool, bool, Kind]:
    """The same for a call of a map; and what it left."""
    kind = Kind(name)
    return *attempt(call, n, lambda: CALLS[call](kind, kind.map)), kind


def try_call(name: str, call: str) -> int:
    """The number of allocations that were made to fail."""
    kind = Kind(name)
    old = pairs_of(kind.map)
    CALLS[call](kind, kind.map)
    new = pairs_of(kind.map)
    in_a_row = 0
    for n in count():
        reached, succeeded, kind = outcome(name, call, n)
        in_a_row = in_a_row + 1 if succeeded else 0
        kind.map.check()
        now = pairs_of(kind.map)
        if succeeded and call != "popitem":
            assert now == new, f"allocation {n} failed, the call did not, and the map is wrong"
        if not succeeded:
            assert may_be_left(call, now, old, new), f"allocation {n} failed, and the map is not as it was"
        if not reached or in_a_row > ENOUGH:
            return n
    raise AssertionError


def try_frozen_call(name: str, call: str) -> int:
    """The same for a call of a frozen map."""
    kind = Kind(name)
    f = kind.map.freeze(seed=1)
    pairs = pairs_of(f)
    FROZEN_CALLS[call](kind, f)
    in_a_row = 0
    for n in count():
        f._hash = None  # which it remembers
        reached, succeeded = attempt(call, n, lambda: FROZEN_CALLS[call](kind, f))
        in_a_row = in_a_row + 1 if succeeded else 0
        f.check()
        assert pairs_of(f) == pairs, f"allocation {n} failed, and the frozen map is not as it was"
        if not reached or in_a_row > ENOUGH:
            return n
    raise AssertionError


def try_index_call(name: str, call: str) -> int:
    """The same for a call of an id map of these keys: what it held stays, with its codes, and only what the call adds
    may come."""
    kind = Kind(name)
    old, new = list(HIndex(kind.key_type, kind.keys(OLD))), kind.keys([*OLD, *NEW])
    in_a_row = 0
    for n in count():
        ix = HIndex(kind.key_type, old)
        reached, succeeded = attempt(call, n, lambda ix=ix: INDEX_CALLS[call](kind, ix))
        in_a_row = in_a_row + 1 if succeeded else 0
        ix.check()
        now = list(ix)
        assert now == new[: len(now)], f"allocation {n} failed, and the codes are not as they were"
        assert len(old) <= len(now) <= (len(new) if call in ("encode", "merge") else len(old))
        if not reached or in_a_row > ENOUGH:
            return n
    raise AssertionError


EXPIRING_CALLS = {
    "add_many": lambda kind, made: made.add_many(kind.keys([*NEW, *OLD])),
    "add_many at times": lambda kind, made: made.add_many(kind.keys([*NEW, *OLD]), at=times(len(NEW) + len(OLD))),
    "contains_many": lambda kind, made: made.contains_many(kind.keys([*NEW, *OLD])),
    "discard_many": lambda kind, made: made.discard_many(kind.keys([3, 4, 5])),
}
ADD = {
    "add": lambda kind, made: made.add(kind.keys([50])[0]),
    "add again": lambda kind, made: made.add(kind.keys([3])[0]),
}
SET = {
    "set a new key": lambda kind, made: made.__setitem__(kind.keys([50])[0], 7),
    "set an old key": lambda kind, made: made.__setitem__(kind.keys([3])[0], 7),
    "set_many": lambda kind, made: made.set_many(kind.keys([*NEW, *OLD]), 7, at=times(len(NEW) + len(OLD))),
    "get_many": lambda kind, made: made.get_many(kind.keys([*NEW, *OLD]), 0),
    "pop": lambda kind, made: made.pop(kind.keys([3])[0]),
}


def times(n: int) -> list[float]:
    """One for each of n keys, in several parts."""
    return [920.0 + 40 * (i % 3) for i in range(n)]


def try_expiring_call(name: str, call: str) -> int:
    """The same for a call of an expiring set and a map: a set keeps what it held, but for what is removed, and each key
    once; a map has no other keys than those before and those of the call."""
    kind = Kind(name)
    old, new = kind.keys(OLD), kind.keys([*NEW, *OLD, 50])
    most = 0
    for calls in (ADD, SET):
        one = {**EXPIRING_CALLS, **calls}.get(call)
        in_a_row = 0
        for n in count() if one else ():
            made: Any = ExpiringSet(kind.key_type, 80, parts=2, renew=True, clock=lambda: 1000.0)
            if calls is SET:
                made = ExpiringMap(kind.key_type, "i8", 80, parts=2, clock=lambda: 1000.0)
            made.add_many(old, at=times(len(old)))
            reached, succeeded = attempt("expiring", n, lambda made=made, one=one: one(kind, made))
            in_a_row = in_a_row + 1 if succeeded else 0
            made.check()
            now = list(made)
            assert len(now) == len(made) == len(set(map(repr, now)))
            assert all(key in new for key in now), f"allocation {n} failed, and there are keys that nobody added"
            if call not in ("discard_many", "set an old key", "set_many", "pop"):
                assert all(key in now for key in old), f"allocation {n} failed, and keys are gone"
            if calls is SET:  # an event of each old key, perhaps another one of this call; or the value that was set
                values = {value for _, value in made.items()}
                assert values <= {1, 2, 7}, f"allocation {n} failed, and there are sums of old and new values"
            if not reached or in_a_row > ENOUGH:
                break
            most = max(most, n)
    return most


def main() -> None:
    [name] = sys.argv[1:]
    gc.collect()
    gc.freeze()
    failed = False
    tries = [(try_call, call) for call in CALLS]
    tries += [(try_frozen_call, call) for call in FROZEN_CALLS if not has_objects(name)]
    tries += [(try_index_call, call) for call in INDEX_CALLS if not has_objects(name)]
    tries += [(try_expiring_call, call) for call in {**EXPIRING_CALLS, **ADD, **SET}]
    for try_it, call in tries:
        if call not in CRASH_NUMPY:
            print(f"{try_it.__name__} {call}: ", end="", flush=True)
            try:
                print(try_it(name, call), "allocations failed")
            except BaseException:
                failed = True
                print("WRONG")
                traceback.print_exc(file=sys.stdout)
    sys.exit(failed)


if __name__ == "__main__":
    main()
