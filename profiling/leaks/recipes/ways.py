"""Ways through the code that no single name stands for: threads, growing and shrinking, maps that hold themselves."""

import gc

import numpy as np

from leaks.recipes.kit import EXTRAS, THREADED, Call, Kit
from pyhmap import HMap


def threaded(call: Call, kit: Kit) -> None:
    """Batches that two threads share, and that both packages' locks see."""
    if not hasattr(kit, "wide"):
        kit.wide = kit.column(0, THREADED)
        kit.wide_map = kit.map()
        kit.wide_map.set_many(kit.wide, kit.wide)
        kit.wide = (kit.arrow(kit.wide) or [kit.wide])[-1]  # of which threads read texts, too
    for look_up in (kit.wide_map.get_many, kit.wide_map.lookup_many, kit.wide_map.contains_many):
        look_up(kit.wide, threads=2)


def grown(call: Call, kit: Kit) -> None:
    """A map that grows and shrinks a key at a time, a map of a hash cache, one that holds itself, one of records."""
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


def cyclic(call: Call, kit: Kit) -> None:
    """Maps that hold themselves, which only the collector can clear: so there is a collection in each round."""
    made = HMap(object, object)
    made["self"], made["list"] = made, [made]
    del made
    gc.collect()


EXTRAS |= {"two threads": threaded, "growing and shrinking": grown, "a map that holds itself": cyclic}
