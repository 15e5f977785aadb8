"""Makes each call of hostile_calls.py with its first, second, third, ... allocation failing, over one kind of map.

After a MemoryError the map is as it was, or as it should be; and nothing else is raised. A program of its own, since
memory fails for all that runs beside: `python failing_memory.py KIND`, with failing_malloc.c preloaded.
"""

import ctypes
import gc
import sys
import traceback
from itertools import count

from hostile_calls import CALLS, Kind, may_be_left, pairs_of

# NumPy reads the module that dtype.__reduce__ could not import.
CRASH_NUMPY = {"copy.deepcopy", "pickle"}
NUMPYS_ERROR = {"equal", "stats", "check"}  # its ufuncs may raise a SystemError instead
ENOUGH = 30  # calls in a row that succeed: a failed allocation may also be one that the call can do without

library = ctypes.PyDLL(None)
fail_after, never_fail = library.fail_after, library.never_fail
fail_after.argtypes, fail_after.restype = (ctypes.c_long,), None
never_fail.argtypes, never_fail.restype = (), ctypes.c_long


def outcome(name: str, call: str, n: int) -> tuple[bool, bool, Kind]:
    """Whether the call reached its failing allocation and whether it succeeded; and what it left."""
    kind = Kind(name)
    succeeded = False
    try:
        fail_after(n)
        CALLS[call](kind, kind.map)
        succeeded = True
    except MemoryError:
        pass
    except SystemError:
        if call not in NUMPYS_ERROR:
            raise
    finally:
        left = -1
        while True:
            try:
                left = max(left, never_fail())
                break
            except MemoryError:
                pass
    return left < 0, succeeded, kind


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


def main() -> None:
    [name] = sys.argv[1:]
    gc.collect()
    gc.freeze()
    failed = False
    for call in CALLS:
        if call not in CRASH_NUMPY:
            print(f"{call}: ", end="", flush=True)
            try:
                print(try_call(name, call), "allocations failed")
            except BaseException:
                failed = True
                print("WRONG")
                traceback.print_exc(file=sys.stdout)
    sys.exit(failed)


if __name__ == "__main__":
    main()
