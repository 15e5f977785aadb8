"""Zero growth: 10^5 calls of any public function of either package leave nothing behind in the process.

Owns the list of public calls, which is read from the classes and modules themselves, the meters, and what counts as
growth. As a program it is the measuring process of one call, or of several, and prints one line of JSON.
"""

import argparse
import gc
import inspect
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import psutil

import pyhmap
import tophash_cache
from leaks.recipes import both, cache, datasets, expiring, files, frozen, ids, maps, sets, ways
from leaks.recipes import debug as debug_recipes
from leaks.recipes.kit import EXTRAS, FORMS, RECIPES, SLOW, Kit, Recipe
from pyhmap import ExpiringMap, ExpiringSet, FrozenIndex, FrozenMap, FrozenSet, HIndex, HMap, HSet, debug
from tophash_cache import TopHashCache

# Each enters its own.
RECIPE_MODULES = (both, maps, sets, frozen, ids, expiring, files, datasets, ways, cache, debug_recipes)
PACKAGES = (pyhmap, debug, tophash_cache)
NOTHING = "nothing"  # a round without any call: what the meters themselves do
WARM_UP = 5000  # calls: code is specialised, free lists and the cache's log of 64 changes are full
TRACED = 10  # one call in so many is made once more under tracemalloc, which makes it several times slower
# What belongs to the machinery of classes, and is neither called nor read by a user.
MACHINERY = {"__abstractmethods__", "__dict__", "__new__", "__slots__", "__subclasshook__", "__weakref__"}

METERS = ("blocks", "heap", "uss", "references", "cycles")  # and "traced", read by itself
# A leak grows in every part of the calls; what fills up once, or doubles now and then, does not: so the least growth of
# a part counts. (A call in 25,000 that leaks may be missed.)
PARTS = 4
# What a meter may still have grown by, and why that is not nothing. Where nothing is called (row `nothing`) none grows.
SLACK = {
    "blocks": (40, "of CPython's allocator, in 10^5 calls; a leak of one object in a thousand calls would be 100"),
    "traced": (1024, "bytes that tracemalloc knows of, in a tenth of the calls"),
    "heap": (8192, "bytes in use of the C heap after trimming; it runs without the C library's cache of freed pieces"),
    "uss": (262144, "bytes; the system counts pages, and arenas of 1 MiB are touched one page after the other"),
    "references": (40, "to objects that outlive the calls; None and True are everybody's"),
    "cycles": (0, "objects that only the collector could free: it is off meanwhile"),
}


# --- what is public ---


def owners() -> dict[str, type]:
    """Every class that a user meets by name, and those that the calls give back and have calls of their own."""
    m, index = HMap(np.int64, np.int64), HIndex(np.int64)
    made: dict[str, type] = {"HMap": HMap, "HSet": HSet, "FrozenMap": FrozenMap, "FrozenSet": FrozenSet}
    made |= {"HIndex": HIndex, "FrozenIndex": FrozenIndex, "ExpiringSet": ExpiringSet, "ExpiringMap": ExpiringMap}
    made |= {"TopHashCache": TopHashCache, "iter(FrozenMap)": type(iter(m.freeze()))}
    made |= {"iter(HIndex)": type(iter(index)), "HIndex.decode()": type(index.decode([], to="arrow"))}
    made |= {f"HMap.{view}()": type(getattr(m, view)()) for view in ("keys", "values", "items")}
    made |= {"iter(HMap)": type(iter(m)), "nil()": type(pyhmap.nil(np.int64, np.int64))}
    for package in PACKAGES:
        for name in package.__all__:
            found = getattr(package, name)
            if isinstance(found, type) and found not in made.values():
                made[f"{package.__name__}.{name}"] = found
    return made


def public_calls() -> dict[str, Callable[..., Any]]:
    """Every public call of both packages by its name: functions, constructors, methods, operators and attributes.

    What a class has from ``object`` or from another type that Python ships is left out, abstract base classes
    excepted, since there it is made of this project's calls. A nil map's are those that it has of its own.
    """
    made: dict[str, Callable[..., Any]] = {}
    for package in PACKAGES:
        for name in package.__all__:
            if not isinstance(getattr(package, name), type):
                made[f"{package.__name__}.{name}"] = getattr(package, name)
    for owner, cls in owners().items():
        if not owner.endswith(")"):
            made[f"{owner}()"] = cls
        for name in sorted({name for base in cls.__mro__ for name in vars(base)}):
            if name in MACHINERY or (name.startswith("_") and not name.startswith("__")):
                continue
            definer = next((base for base in cls.__mro__ if name in vars(base)), None)
            if definer is None or not is_ours(definer) or (owner == "nil()" and definer is not cls):
                continue
            call = caller(cls, name)
            if call is not None:
                made[f"{owner}.{name}"] = call
    return made


def is_ours(definer: type) -> bool:
    """Whether what a class defines is this project's, or the abstract base classes' on top of it."""
    return definer.__module__.partition(".")[0] in ("pyhmap", "tophash_cache") or definer.__module__ in (
        "collections.abc",
        "_collections_abc",
    )


@dataclass(frozen=True)
class Reading:
    """The call that reading an attribute is."""

    cls: type
    stored: Any  #: the descriptor

    def __call__(self, subject: Any) -> Any:
        return self.stored.__get__(subject, self.cls)


def caller(cls: type, name: str) -> Callable[..., Any] | None:
    """The method of a class, or the reading of an attribute of its instances; None for constants."""
    if callable(getattr(cls, name)) and not isinstance(getattr(cls, name), type):
        return getattr(cls, name)
    stored = inspect.getattr_static(cls, name)
    return Reading(cls, stored) if hasattr(type(stored), "__get__") else None


def recipe_of(name: str, call: Callable[..., Any]) -> Recipe | None:
    """The recipe of a call: its own, or that of its name for any owner; attributes are read. None where there is none.

    Only an attribute can do without: nothing but reading it is there to be done.
    """
    if name in EXTRAS:
        return EXTRAS[name]
    if name == NOTHING:
        return lambda call, kit: None
    found = RECIPES.get(name) or RECIPES.get(name.rpartition(".")[2])
    if found is None and isinstance(call, Reading):
        return lambda call, kit: call(kit.subject)
    return found


def forms_of(name: str) -> list[str]:
    """The forms of keys and values that a call is made with."""
    if name == "two threads":
        return ["int64", "str"]  # objects are looked up by one, which holds the GIL
    if "Frozen" in name or "HIndex" in name or name == "freezing in two threads":
        return [form for form in FORMS if form != "object"]  # which cannot be frozen, nor numbered by an index
    mapped = name.startswith(("HMap", "HSet", "Expiring", "nil()", "iter(", "pyhmap.nil", "growing"))
    return list(FORMS) if mapped else ["int64"]


def subject_of(name: str, kit: Kit) -> Any:
    """What the calls of a view or a record are made on."""
    subjects = {
        "HMap.keys()": kit.m.keys(),
        "HMap.values()": kit.m.values(),
        "HMap.items()": kit.m.items(),
        "FrozenMap.": kit.frozen_map,
        "FrozenSet.": kit.frozen_set,
        "ExpiringSet.": kit.expiring_set,
        "ExpiringMap.": kit.expiring_map,
        "HIndex.decode()": kit.index and kit.index.labels("arrow"),
        "tophash_cache.CacheInfo": kit.cache.cache_info(),
        "tophash_cache.CacheStats": kit.cache.stats(),
        "tophash_cache.Transition": kit.cache.stats().transitions[0],
        "tophash_cache.Settings": kit.cache.settings,
        "tophash_cache.Mode": tophash_cache.Mode.ACTIVE,
    }
    if name.startswith(debug.__name__):
        return debug_subject(name.removeprefix(debug.__name__ + ".").partition(".")[0].removesuffix("()"), kit)
    return next((subject for owner, subject in subjects.items() if name.startswith(owner)), None)


def debug_subject(owner: str, kit: Kit) -> Any:
    """The same for the calls of ``pyhmap.debug``."""
    kit.series = [debug.snapshot() for _ in range(4)]
    if owner == "CollectorWatch":
        with debug.CollectorWatch([kit.m, kit.s]) as watch:
            gc.collect()
        return watch
    found = debug.compare(kit.series)
    trend = next(iter(found.trends.values()))
    subjects = {"Diagnosis": found, "Snapshot": kit.series[0], "Trend": trend, "Slope": trend.slope}
    subjects |= {"Verdict": found.verdict, "Line": debug.Line("a.py", 1, 2, 3, 4)}
    return subjects.get(owner, debug.TypeGrowth("list", 1, 1))


# --- the meters ---


# "Use this function only to release unnecessary references and memory blocks when hunting for leaks", as Python's
# documentation has it: the cache of attribute look-ups keeps up to 4,096 names that NumPy makes at each call.
clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
found_in_cycles = 0


def read_meters(watched: list[Any]) -> tuple[int, ...]:
    """Every meter but tracemalloc, once what can be freed is freed."""
    global found_in_cycles
    found_in_cycles += gc.collect()
    clear_caches()
    psutil.heap_trim()
    heap = psutil.heap_info()
    references = sum(map(sys.getrefcount, watched))
    uss = psutil.Process().memory_full_info().uss
    return sys.getallocatedblocks(), heap.heap_used + heap.mmap_used, uss, references, found_in_cycles


def read_traced() -> tuple[int, ...]:
    """What tracemalloc knows of."""
    gc.collect()
    clear_caches()
    return (tracemalloc.get_traced_memory()[0],)


def calls_a_round(made: Recipe, call: Any, kit: Kit) -> int:
    """How often one round makes the call that it is a recipe of."""
    counted = 0

    def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal counted
        counted += 1
        return call(*arguments, **options)

    counting.__dict__.update(getattr(call, "__dict__", {}))  # the fields of a dataclass
    made(counting, kit)
    return counted


class Rounds:
    """The rounds of one call with one form of keys and values."""

    def __init__(self, name: str, form: str) -> None:
        self.form, self.kit, self.call = form, Kit(name, form), public_calls().get(name)
        made = recipe_of(name, self.call)
        assert made is not None, f"{name} has no recipe"
        self.made = made
        self.kit.subject = subject_of(name, self.kit)
        self.each = calls_a_round(made, self.call, self.kit) if self.call else 1  # calls per round

    def run(self, times: int) -> None:
        """So many rounds."""
        for _ in range(times):
            self.made(self.call, self.kit)

    def grown(self, rounds: int, read: Callable[[], tuple[int, ...]]) -> list[int]:
        """For each meter the least growth of a part of the rounds, times the parts; the readings are no objects."""
        readings = np.zeros((PARTS + 1, len(read())), np.int64)
        readings[0] = read()
        for part in range(PARTS):
            self.run(-(-rounds // PARTS))
            readings[part + 1] = read()
        return (PARTS * np.diff(readings, axis=0).min(0)).tolist()


def measure(rounds: Rounds, calls: int) -> dict[str, Any]:
    """What grew over so many calls, after a warm-up, with the collector off."""
    wanted = max(1, -(-calls // rounds.each))
    rounds.run(min(wanted, -(-WARM_UP // rounds.each)))
    watched = rounds.kit.watched()
    read_meters(watched)  # the first reading makes what later ones find made
    gc.disable()
    began = time.process_time()
    grew = dict(zip(METERS, rounds.grown(wanted, partial(read_meters, watched)), strict=True))
    seconds = time.process_time() - began
    gc.enable()
    return {"form": rounds.form, "calls": wanted * rounds.each, "cpu_seconds": seconds, "grew": grew}


def trace(rounds: Rounds, calls: int) -> int:
    """What tracemalloc, which is on, knows more of after so many calls."""
    wanted = max(PARTS, -(-calls // rounds.each))
    rounds.run(min(100, 4 * wanted))  # what was there before is no longer: the cache's log, for one
    (grew,) = rounds.grown(wanted, read_traced)
    return grew


def measure_all(names: list[str], calls: int, slow_calls: int = 100_000) -> list[dict[str, Any]]:
    """Every form of some calls, of each name so many in all, ``slow_calls`` of the slow ones. All forms of a name
    are traced after all were measured: tracemalloc moves more memory about than most calls do."""
    measured = []
    for name in names:
        made = [Rounds(name, form) for form in forms_of(name)]
        share = -(-(slow_calls if name in SLOW else calls) // len(made))
        gc.freeze()  # what is there already is not looked at in each collection, from now on
        forms = [measure(rounds, share) for rounds in made]
        tracemalloc.start()
        gc.disable()
        for rounds, form in zip(made, forms, strict=True):
            form["grew"]["traced"] = trace(rounds, share // TRACED)
        gc.enable()
        tracemalloc.stop()
        measured.append({"call": name, "forms": forms})
    return measured


def beyond(grew: dict[str, int]) -> list[str]:
    """The meters that grew by more than they may; references may not become fewer either, which frees what others
    hold."""
    changed = {meter: abs(grew[meter]) if meter == "references" else grew[meter] for meter in SLACK}
    return [meter for meter, (most, _) in SLACK.items() if changed[meter] > most]


def main(arguments: list[str]) -> None:
    """Measure one call and print the result."""
    parser = argparse.ArgumentParser(prog="leaks/zero_growth.py", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", metavar="CALL")
    parser.add_argument("--calls", type=int, default=100_000, help="of each name, over all forms of keys")
    parser.add_argument("--slow-calls", type=int, default=100_000, help="of each that takes milliseconds")
    options = parser.parse_args(arguments)
    print(json.dumps({"measured": measure_all(options.names, options.calls, options.slow_calls)}))


if __name__ == "__main__":
    main(sys.argv[1:])
