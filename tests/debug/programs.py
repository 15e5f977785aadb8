"""Programs to diagnose: planted leaks for every verdict, and programs without a leak.

``PLANTED`` maps each leaking function to its verdict; ``CLEAN`` lists the functions that must be clean. Objects that a
program leaves behind are in the globals of this module, so paths to them begin with its name.
"""

import asyncio
import collections
import contextlib
import ctypes
import functools
import gc
import itertools
import mmap
import pickle
import re
import tempfile
import threading
import weakref

import numpy as np

from pyhmap import FrozenMap, FrozenSet, HIndex, HMap, HSet

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
track = ctypes.pythonapi.PyTraceMalloc_Track
track.argtypes = [ctypes.c_uint, ctypes.c_size_t, ctypes.c_size_t]

counter = itertools.count(1)


class Node:
    """An object with attributes."""

    def __init__(self, value):
        self.value = value
        self.child = None


# ---- planted: native leaks -------------------------------------------------------------------------------------------


def malloc_without_free():
    """C code that never frees a buffer."""
    libc.memset(libc.malloc(200), 1, 200)


def large_malloc_without_free():
    """Above glibc's threshold each piece has its own mapping."""
    libc.memset(libc.malloc(300_000), 1, 300_000)


def malloc_now_and_then():
    """A slow leak: one call in twenty."""
    if next(counter) % 20 == 0:
        libc.malloc(5000)


# ---- planted: held references ----------------------------------------------------------------------------------------

cache = {}
nodes = [Node(0)]
texts = []
log = bytearray()
views = []
callbacks = []
maps = []


def dict_that_only_grows():
    """The usual cache without a bound."""
    cache[next(counter)] = ["a result", 1.5]


def list_of_texts():
    """Objects that the collector does not track."""
    texts.append(f"a text of the number {next(counter)}")


def chain_of_nodes():
    """A linked list: each node refers to the one before."""
    node = Node(next(counter))
    node.child = nodes[0]
    nodes[0] = node


def bytes_that_only_grow():
    """No more objects, but a larger one."""
    log.extend(b"x" * 200)


def small_view_of_a_large_array():
    """A view of three numbers keeps 80 kB."""
    views.append(np.ones(10_000)[:3])


def closure_that_is_registered():
    """A callback that refers to a list."""
    payload = list(range(20))
    callbacks.append(lambda: payload)


def maps_that_are_kept():
    """One map per call, in a list."""
    maps.append(HMap(np.int64, np.int64, ((i, i) for i in range(100))))


frozen_maps = []


def frozen_maps_that_are_kept():
    """One frozen map per call, of an HMap that is gone."""
    frozen_maps.append(HMap(np.int64, np.int64, ((i, i) for i in range(100))).freeze())


frozen_sets = {}


def frozen_sets_that_are_kept():
    """The same for sets, as keys of a dict, with texts that are too long for their slots."""
    n = next(counter)
    frozen_sets[FrozenSet.from_array([f"a text that is too long for its slot: {i}" for i in range(n, n + 30)])] = n


indexes = []


def indexes_that_are_kept():
    """One index per call."""
    indexes.append(HIndex(np.int64, np.arange(100)))


labels = []


def labels_of_an_index_held_after_it():
    """The index is gone; the view of its keys keeps them."""
    labels.append(HIndex(np.int64, np.arange(100)).labels())


pickled_parts = []


def parts_of_a_frozen_map_held_after_it():
    """The map is gone; what pickle passed on out of band is the map's own memory."""
    f = FrozenMap.from_arrays(np.arange(100), np.arange(100))
    pickle.dumps(f, 5, buffer_callback=pickled_parts.append)


kept_views = []


def bucket_array_held_after_growth():
    """The map is gone; a view of its old array keeps the whole array."""
    m = HMap(np.int64, np.int64, ((i, i) for i in range(100)))
    kept_views.append(m.bucket_arrays().keys)


# ---- planted: held references that rarely allocate -------------------------------------------------------------------

seen_in_map = HMap(np.int64, np.int64)
seen_in_set = HSet(np.int64)
seldom_seen = HMap(str, np.int64)
nothings = []
queue = collections.deque()
table = np.zeros((64, 16))
rows = 0
large_log = bytearray(100_000)


def map_that_only_grows():
    """One key per call. The array doubles rarely, so most trials show no slope in bytes."""
    seen_in_map[next(counter)] = 1


def set_that_only_grows():
    """One key per call, in a set."""
    seen_in_set.add(next(counter))


def map_that_grows_now_and_then():
    """One key in ten calls."""
    n = next(counter)
    if n % 10 == 0:
        seldom_seen[str(n)] = n


def list_of_nothing():
    """Adds no new object to a list, which has free capacity."""
    nothings.append(None)


def deque_of_nothing():
    """A deque allocates once per 64 items."""
    queue.append(None)


def array_that_doubles():
    """A table of numbers that doubles when it is full, as lists and maps do. No meter counts its rows."""
    global table, rows
    if rows == len(table):
        table = np.concatenate([table, np.zeros_like(table)])
    table[rows] = 1
    rows += 1


def bytes_with_room():
    """A large bytearray that grows by an eighth: the C heap and tracemalloc show the same steps."""
    large_log.extend(b"x" * 100)


# ---- planted: functions whose body runs after the call ---------------------------------------------------------------

answers = []


async def coroutine():
    """A handler that keeps each request."""
    await asyncio.sleep(0)
    answers.append(["an answer"])


def coroutine_that_is_returned():
    """No coroutine function, but its result must be awaited."""
    return coroutine()


def generator():
    """The leak is after the first item."""
    yield 1
    answers.append(["an answer"])


async def asynchronous_generator():
    """The leak is after the first item."""
    yield 1
    answers.append(["an answer"])


async def coroutine_that_returns_a_generator():
    """A coroutine whose result must be run as well."""
    return generator()


@contextlib.contextmanager
def context_manager():
    """The leak is at the exit."""
    yield
    answers.append(["an answer"])


@contextlib.asynccontextmanager
async def asynchronous_context_manager():
    """The leak is at the exit."""
    yield
    answers.append(["an answer"])


async def task_that_never_ends():
    """A task that nothing cancels."""
    answers.append(asyncio.create_task(asyncio.sleep(1e6)))


# ---- planted: cycles -------------------------------------------------------------------------------------------------


def cycle_with_the_collector_off():
    """Two nodes that refer to each other, while the collector is off."""
    gc.disable()
    a, b = Node(1), Node(2)
    a.child, b.child = b, a


class Catalogue(FrozenMap):
    """A frozen map with attributes."""


def frozen_map_in_a_cycle_with_the_collector_off():
    """A frozen map with an attribute that refers to it."""
    gc.disable()
    f = Catalogue.from_arrays([1, 2], [1, 2])
    f.owner = Node(f)


def map_in_a_cycle_with_the_collector_off():
    """A map that contains itself."""
    gc.disable()
    m = HMap(object, object)
    m["self"] = m


# ---- planted: retained capacity --------------------------------------------------------------------------------------

reserved = HMap(np.int64, np.int64)
pool = []
asked = itertools.count(1)


def room_that_is_asked_for_and_never_used():
    """A little more room at each call, for a handful of keys."""
    reserved[next(counter) % 10] = 1
    reserved.reserve(2000 * next(asked))


unused = []


def maps_grown_then_emptied():
    """A fixed number of maps. At each call one more of them is filled and emptied, and keeps its room."""
    if not unused:
        unused.extend(HMap(np.int64, np.int64) for _ in range(450))
    m = unused.pop()
    m.reserve(2000)
    m.set_many(np.arange(2000), 1)
    m.discard_many(np.arange(2000))
    unused.insert(0, m)


def map_that_was_large_once():
    """The map of one large request serves all later ones. capacity= holds its room."""
    if not pool:
        pool.append(HMap(np.int64, np.int64, capacity=200_000))
        pool[0].set_many(np.arange(200_000), 1)
        pool[0].discard_many(np.arange(199_000))
    pool[0][next(counter) % 100] = 1


# ---- planted: allocator retention, file pages, accounting ------------------------------------------------------------

pins = []
peak = itertools.count(200)


def heap_with_a_pin_on_top():
    """Each call takes a little more for a moment, and leaves a piece above it that keeps the heap from falling."""
    pieces = [libc.malloc(30_000) for _ in range(next(peak) // 4)]
    for piece in pieces:
        libc.memset(piece, 1, 30_000)
    pins.append(libc.malloc(2000))
    for piece in pieces:
        libc.free(piece)
    if len(pins) > 1:
        libc.free(pins.pop(0))


def mapped_file():
    """A file of zeros, mapped."""
    with tempfile.TemporaryFile() as file:
        file.truncate(1 << 28)
        return mmap.mmap(file.fileno(), 1 << 28, prot=mmap.PROT_READ)


file_pages = None
touched = itertools.count()


def one_more_page_of_a_mapped_file():
    """np.memmap, read a little further at each call."""
    global file_pages
    if file_pages is None:
        file_pages = np.frombuffer(mapped_file(), np.uint8)
    page = next(touched)
    int(file_pages[page * 8192])


def memory_that_tracemalloc_is_told_of_and_does_not_exist():
    """As if memory was freed without telling tracemalloc."""
    track(0, (1 << 50) + 4096 * next(counter), 1000)


DEFERRED = [
    "coroutine",
    "coroutine_that_is_returned",
    "generator",
    "asynchronous_generator",
    "coroutine_that_returns_a_generator",
    "context_manager",
    "asynchronous_context_manager",
    "task_that_never_ends",
]
# A round of these may keep items without allocating anything.
AMORTISED = [
    "map_that_only_grows",
    "set_that_only_grows",
    "map_that_grows_now_and_then",
    "list_of_nothing",
    "deque_of_nothing",
    "array_that_doubles",
    "bytes_with_room",
]
PLANTED = {
    "malloc_without_free": "native leak",
    "large_malloc_without_free": "native leak",
    "malloc_now_and_then": "native leak",
    "dict_that_only_grows": "held references",
    "list_of_texts": "held references",
    "chain_of_nodes": "held references",
    "bytes_that_only_grow": "held references",
    "small_view_of_a_large_array": "held references",
    "closure_that_is_registered": "held references",
    "bucket_array_held_after_growth": "held references",
    "parts_of_a_frozen_map_held_after_it": "held references",
    "labels_of_an_index_held_after_it": "held references",
    **dict.fromkeys(AMORTISED + DEFERRED, "held references"),
    "cycle_with_the_collector_off": "cycles waiting",
    "map_in_a_cycle_with_the_collector_off": "cycles waiting",
    "frozen_map_in_a_cycle_with_the_collector_off": "cycles waiting",
    "room_that_is_asked_for_and_never_used": "retained capacity",
    "map_that_was_large_once": "retained capacity",
    "heap_with_a_pin_on_top": "allocator retention",
    "one_more_page_of_a_mapped_file": "mapped file pages",
    "memory_that_tracemalloc_is_told_of_and_does_not_exist": "accounting error",
    "maps_grown_then_emptied": "retained capacity",  # with hundreds of maps reading takes longer: last
    "maps_that_are_kept": "held references",
    "frozen_maps_that_are_kept": "held references",
    "frozen_sets_that_are_kept": "held references",
    "indexes_that_are_kept": "held references",
}

HELD = [name for name, verdict in PLANTED.items() if verdict == "held references" and name not in AMORTISED + DEFERRED]
# Each group is diagnosed in a process of its own. Those that keep maps are in several: each makes the readings of the
# next ones longer.
GROUPS = {
    "amortised": AMORTISED,
    "deferred": DEFERRED,
    **{f"held {start}": HELD[start::4] for start in range(4)},
    "others": [name for name, verdict in PLANTED.items() if verdict != "held references"],
}

# ---- clean -----------------------------------------------------------------------------------------------------------

steady = HMap(np.int64, np.int64, ((i, i) for i in range(3000)))
counts = HMap(str, np.int64)
bounded = {}
churned = itertools.count(1)  # used by churns_a_map alone: a key that is skipped would stay in `steady`


def makes_and_drops_maps():
    """Maps of several kinds, grown, emptied, iterated and dropped."""
    m = HMap(np.int64, np.int64, ((i, i) for i in range(60)))
    m.discard_many(np.arange(10))
    s = HSet(str, ["a", "b" * 40])
    assert len(list(m.items())) == 50
    assert "a" in s


def freezes_and_drops_maps():
    """Frozen maps and sets: built in each way, built in vain, read, hashed, and dropped."""
    keys = np.arange(60)
    f = HMap(np.int64, np.int64, ((i, i) for i in range(60))).freeze()
    assert f.get_many(keys).tolist() == f.positions(f.keys_array()).tolist() == keys.tolist()
    s = FrozenSet.from_array(["a", "b" * 40, "a"])
    assert {s: 1}[s.copy()] == 1
    assert next(iter(f.items())) in f.items()
    with contextlib.suppress(ValueError):
        FrozenMap.from_arrays([1, 1], [2, 3])


def makes_and_drops_indexes():
    """Indexes that grow, are read, frozen and dropped, and the views and arrays that they give back."""
    ix = HIndex(str, ["a", "b" * 40])
    assert ix.encode([*"abc", "b" * 40]).tolist() == [0, 2, 3, 1]
    assert ix.freeze().decode([1]).tolist() == ["b" * 40]
    assert len(ix.labels("arrow")) == 4
    numbers = HIndex(np.int64, range(60))
    view = numbers.labels()
    numbers.encode(np.arange(600))
    assert view.sum() == 1770


def churns_a_map():
    """Maps whose keys come and go, and stay; C memory, by the rules."""
    libc.free(libc.malloc(1000))
    counts.add_many(["to", "be", "or", "not", "a word that does not fit into its slot"])
    n = next(churned)
    for i in range(n, n + 20):
        steady[i] = i
        steady.pop(i - 3000, None)


def parses_and_formats():
    """Ordinary Python: strings, dicts, regular expressions, exceptions."""
    fields = {f"key{i}": re.sub(r"\d", "x", f"value {i}") for i in range(20)}
    try:
        fields["missing"]
    except KeyError as error:
        str(error)


def makes_cycles():
    """Cycles, with the collector on, which frees them."""
    a, b = Node(1), Node(2)
    a.child, b.child = b, a


def keeps_the_last_hundred():
    """A cache with a bound."""
    bounded[next(counter)] = [0] * 10
    if len(bounded) > 100:
        del bounded[next(iter(bounded))]


def uses_numpy():
    """Arrays of several sizes, some of them large enough for mappings of their own."""
    a = np.arange(20_000)
    assert float((a * 2.0).sum()) > 0
    assert len(np.unique(a[:500] % 7)) == 7


def starts_a_thread():
    """A thread that ends, and a weak reference that dies."""
    node = Node(1)
    weakref.finalize(node, int)
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


async def awaits():
    """A coroutine with a task that ends."""
    await asyncio.create_task(asyncio.sleep(0))


CLEAN = [
    "makes_and_drops_maps",
    "freezes_and_drops_maps",
    "makes_and_drops_indexes",
    "churns_a_map",
    "parses_and_formats",
    "makes_cycles",
    "keeps_the_last_hundred",
    "uses_numpy",
    "starts_a_thread",
    "awaits",
]


# ---- mistakes --------------------------------------------------------------------------------------------------------


@functools.cache
def raises():
    """Not a leak: a mistake."""
    raise LookupError("no such thing")


def raises_at_call_30():
    """Fails in the second round."""
    if next(counter) == 30:
        raise LookupError("no such thing")


async def raises_in_its_body():
    """Fails after the call."""
    raise LookupError("no such thing")


def exits():
    """Ends the program, with the status of a function that does not leak."""
    raise SystemExit(0)


def needs(one, *, another=2):
    """Has a parameter without a default."""


def endless():
    """A generator without an end."""
    while True:
        yield


not_a_function = 3
