"""What the files and pickles in tests/golden/ hold. It never changes: those of earlier releases hold it, too."""

import numpy as np

import pyhmap
from pyhmap import HIndex, HMap, HSet

RECORD = np.dtype([("x", "f4"), ("name", "U3")])
LABELS = ["mir", "ключ", "", "a key of more than twelve bytes", *map(str, range(20, 0, -1))]
MAPS = {
    "ints": lambda: HMap(np.int64, np.float64, {i * i - 50: i / 4 for i in range(100)}),
    "texts": lambda: HMap(str, bytes, {"clé " * i: b"\xff" * (i * 3) for i in range(20)}),
    "records": lambda: HMap([("a", "i4"), ("b", "S2")], RECORD, {(i, b"%d" % i): (i / 2, f"{i}€") for i in range(9)}),
    "times": lambda: HMap("M8[ns]", "?", {np.datetime64(i, "ns"): i % 3 == 0 for i in range(-5, 5)}),
    "set": lambda: HSet(np.uint16, range(0, 65536, 999)),
    "index": lambda: HIndex(str, LABELS),
}
# Besides these, what has no file: pickles hold it, too.
PICKLED = MAPS | {
    "objects": lambda: HMap(object, object, {(1, "a"): [1], None: None, "x": {1}}),
    "counted": lambda: HMap("f4", ("i8", (2,)), {0.5: [1, 2], float("inf"): [3, 4]}, seed=7),
    "frozen": lambda: HMap(str, np.int64, {"a": 1, "ä" * 20: 2}).freeze(seed=1),
    "frozen set": lambda: HSet(bytes, [b"", b"x" * 30]).freeze(seed=1),
    "frozen index": lambda: HIndex("i4", [7, 5, 6]).freeze(seed=1),
    "nil": lambda: pyhmap.nil(str, np.int64),
}
