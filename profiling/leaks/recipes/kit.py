"""What the rounds of ``leaks.zero_growth`` work on, and how a recipe for a public call is registered.

Owns keys, values, maps and batches of each form, and the table of recipes, which the other files of this folder fill.
A recipe gets the call itself, found on its class by name, so it cannot exercise another than the one that it is listed
under. A round removes what it adds: the maps are as large after it as before.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

from pyhmap import ExpiringMap, ExpiringSet, FrozenIndex, FrozenMap, FrozenSet, HIndex, HMap, HSet, nil
from tophash_cache import TopHashCache

try:
    import pyarrow
except ImportError:
    pyarrow = None

Call = Callable[..., Any]
Recipe = Callable[[Call, "Kit"], object]

KEYS = 20  # in the map of a round: two doublings from empty, and a walk costs microseconds
BATCH = 600  # keys of the larger batch: from 512 on a batch gives up the GIL and takes other ways
THREADED = 1 << 16  # keys of a batch that two threads share: from 32,768 per thread on
# The physical forms of keys and values that take different ways through the compiled code.
FORMS = {"int64": (np.int64, np.int64), "str": (str, str), "object": (object, object)}
CLASSES = (HMap, HSet, HIndex, FrozenMap, FrozenSet, FrozenIndex, ExpiringSet, ExpiringMap)
# Of sets and views of keys and items.
OPERATORS = ["and", "or", "sub", "xor", "rand", "ror", "rsub", "rxor", "eq", "le", "lt", "ge", "gt"]
RECIPES: dict[str, Recipe] = {}
# Those that take milliseconds: 10^5 leakchecks are 12 minutes of CPU time (profiling/results/leaks.json).
SLOW = {"pyhmap.debug.leakcheck", "pyhmap.debug.snapshot", "two threads", "freezing in two threads"}
# Recipes that no single name stands for.
EXTRAS: dict[str, Recipe] = {}


def recipe(*names: str) -> Callable[[Recipe], Recipe]:
    """Enter a function as the recipe of these names: ``OWNER.name``, or ``name`` alone for owners without their own."""

    def enter(function: Recipe) -> Recipe:
        for name in names:
            assert name not in RECIPES, name
            RECIPES[name] = function
        return function

    return enter


def raises(error: Any, call: Call, *arguments: Any, **options: Any) -> None:
    """Make a call that must fail with this error, or one of these."""
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{call} did not raise {error}")


def drain(iterable: Any) -> None:
    """Walk to the end; and once more to the third item only, leaving the iterator where it is."""
    for _ in iterable:
        pass
    for _ in islice(iterable, 3):
        pass


class Kit:
    """What the rounds of one call work on: keys and values of one form, batches, a map, a set and an index of them."""

    def __init__(self, name: str, form: str) -> None:
        self.name, self.form = name, form
        self.key_type, self.value_type = FORMS[form]
        keys, values = self.column(0, KEYS), self.column(1000, KEYS)
        self.keys, self.values = keys.tolist(), values.tolist()
        self.key, self.value = self.keys[0], self.values[0]
        self.absent_keys = self.column(5000, 3).tolist()
        self.absent = self.absent_keys[0]
        self.wrong = {"int64": "no int", "str": 7, "object": []}[form]
        self.three = self.values[:3]
        self.m = self.map(dict(zip(self.keys, self.values, strict=True)))
        self.s = HSet(self.key_type, self.keys)
        self.nil = nil(self.key_type, self.value_type)
        self.other = dict(zip(self.keys[3:] + self.absent_keys, self.values, strict=True))
        self.other_map = self.map(self.other)
        self.other_set = HSet(self.key_type, self.keys[3:] + self.absent_keys)
        self.plain_set = set(self.other)
        self.key_batches = [self.keys, keys, *self.arrow(keys)]
        self.value_batches = [self.values, values, *self.arrow(values)]
        self.large = self.column(0, BATCH if form != "object" else KEYS)
        self.large_values = self.column(1000, BATCH if form != "object" else KEYS)
        self.large_map = self.map()
        self.large_map.set_many(self.large, self.large_values)
        self.frozen_map, self.frozen_set, self.large_frozen = self.frozen()
        self.index, self.other_index, self.frozen_index = self.indexes()
        self.now = 1000.0
        self.expiring_set, self.expiring_map, self.expiring_counts = self.expiring()
        self.cache = TopHashCache(max_entries=100)
        self.texts = [f"user:{n}" for n in range(KEYS)]
        self.text_batches = [self.texts, np.array(self.texts), np.array(self.texts, object)]
        self.text_batches += [pyarrow.array(self.texts)] if pyarrow else []
        self.subject: Any = None  # of a record's calls

    def column(self, first: int, n: int) -> np.ndarray:
        """So many keys or values as an array; half of the texts are too long for a slot."""
        numbers = range(first, first + n)
        if self.form == "int64":
            return np.array(numbers)
        texts = [f"key {k}" + " with a long tail" * (k % 2) for k in numbers]
        if self.form == "object":
            texts = [(text, number) for text, number in zip(texts, numbers, strict=True)]
        made = np.empty(n, object)
        made[:] = texts
        return made

    def arrow(self, column: np.ndarray) -> list[Any]:
        """The column as an Arrow array, where there is one."""
        return [pyarrow.array(column)] if pyarrow and self.form != "object" else []

    def map(self, items: Any = None, **options: Any) -> HMap:
        """A new map of this form."""
        return HMap(self.key_type, self.value_type, items, **options)

    def frozen(self) -> tuple[Any, Any, Any]:
        """The map, the set and the large map, frozen; objects cannot be."""
        if self.form == "object":
            return None, None, None
        return self.m.freeze(), self.s.freeze(), self.large_map.freeze()

    def indexes(self) -> tuple[Any, Any, Any]:
        """An index of the keys, one of the other keys, and the first one, frozen; objects have none."""
        if self.form == "object":
            return None, None, None
        index = HIndex(self.key_type, self.keys)
        return index, HIndex(self.key_type, list(self.other)), index.freeze()

    def expiring(self) -> tuple[Any, Any, Any]:
        """A set and a map of the keys whose clock does not move, and a map that counts them in two parts."""
        s: Any = ExpiringSet(self.key_type, 80, clock=lambda: self.now)
        s.add_many(self.keys)
        m: Any = ExpiringMap(self.key_type, self.value_type, 80, clock=lambda: self.now)
        m.set_many(self.keys, self.values)
        counts: Any = ExpiringMap(self.key_type, np.int64, 80, clock=lambda: self.now)
        counts.add_many(self.keys, at=960)
        counts.add_many(self.keys[:3])
        return s, m, counts

    @property
    def own(self) -> Any:
        """What a call of a map, a set or an index is made on."""
        owned = {"HSet": self.s, "FrozenMap": self.frozen_map, "FrozenSet": self.frozen_set}
        owned |= {"HIndex": self.index, "FrozenIndex": self.frozen_index}
        owned |= {"ExpiringSet": self.expiring_set, "ExpiringMap": self.expiring_map}
        return owned.get(self.name.partition(".")[0], self.m)

    def another(self, **options: Any) -> HMap | HSet:
        """A new map or set of the same keys."""
        if self.own is self.s:
            return HSet(self.key_type, self.keys, **options)
        return self.map(dict(zip(self.keys, self.values, strict=True)), **options)

    def restore(self) -> None:
        """Put back what a round took out of the map and the set."""
        for absent in self.absent_keys:
            self.m.pop(absent, None)
            self.s.discard(absent)
        if len(self.m) < KEYS:
            self.m.set_many(self.keys, self.values)
        if len(self.s) < KEYS:
            self.s.add_many(self.keys)

    def watched(self) -> list[Any]:
        """Objects that outlive the rounds: one of them with ever more references is a leak that no memory shows."""
        own = [value for name, value in vars(self).items() if name not in ("name", "form")]
        return [*own, *self.keys, *self.values, *self.texts, None, ..., True, NotImplemented, *CLASSES]
