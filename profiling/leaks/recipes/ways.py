"""Ways through the code that no single name stands for: threads, growing, shrinking, maps that hold themselves."""

import gc

import numpy as np

from leaks.recipes.kit import EXTRAS, THREADED, Call, Kit, raises
from pyhmap import HIndex, HMap


def with_wide_map(kit: Kit) -> None:
    """Give the kit a map of so many keys that threads share them, the first time."""
    if not hasattr(kit, "wide"):
        kit.wide = kit.column(0, THREADED)
        kit.wide_map = kit.map()
        kit.wide_map.set_many(kit.wide, kit.wide)
        kit.wide = (kit.arrow(kit.wide) or [kit.wide])[-1]  # of which threads read texts, too
        kit.wide_frozen = kit.wide_map.freeze()
        kit.wide_index = HIndex(kit.key_type, kit.wide).freeze()


def threaded(call: Call, kit: Kit) -> None:
    """Batches that two threads share, and that both packages' locks see."""
    with_wide_map(kit)
    for one in (kit.wide_map, kit.wide_frozen):
        for look_up in (one.get_many, one.lookup_many, one.contains_many):
            look_up(kit.wide, threads=2)
    kit.wide_frozen.positions(kit.wide, threads=2)
    kit.wide_index.encode(kit.wide, threads=2)


def frozen_by_threads(call: Call, kit: Kit) -> None:
    """A frozen map that two threads build, and one whose building ends early."""
    with_wide_map(kit)
    kit.wide_map.freeze(threads=2)
    raises(LookupError, kit.wide_map.freeze, threads=2, progress=stop)


def stop(done: float) -> None:
    """A progress function that ends the build."""
    raise LookupError(done)


def grown(call: Call, kit: Kit) -> None:
    """A map that grows and shrinks a key at a time, one of a hash cache, one of records; an index that grows."""
    made = kit.map()
    for key, value in zip(kit.large.tolist(), kit.large_values.tolist(), strict=True):
        made[key] = value
    for key in kit.large.tolist():
        del made[key]
    cached = HMap(str, np.int64, hash="xxh64", hash_cache=kit.cache)
    for number, text in enumerate(kit.texts):
        cached[text] = number
        cached.get(text)
    cells = HMap([("x", "i4"), ("y", "f8")], [("a", "f4"), ("b", "S3")])
    cells[1, 2.5] = (0.5, b"abc")
    cells.get_many([(1, 2.5)])
    if kit.form != "object":
        index = HIndex(kit.key_type)
        for key in kit.large.tolist():
            index.encode([key])


def cyclic(call: Call, kit: Kit) -> None:
    """Maps that hold themselves, which only the collector can clear: so there is a collection in each round."""
    made = HMap(object, object)
    made["self"], made["list"] = made, [made]
    del made
    gc.collect()


EXTRAS |= {
    "two threads": threaded,
    "freezing in two threads": frozen_by_threads,
    "growing and shrinking": grown,
    "a map that holds itself": cyclic,
}
