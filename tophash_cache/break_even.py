"""The costs of a hit, a miss and a direct hash on this machine, and the hit rate from which a cache pays.

Owns the measurement and the arithmetic. `python -m tophash_cache` prints the result.

A look-up that hits costs `hit`. One that misses costs `miss`: the look-up, the hash and the insertion. At a hit rate p
a look-up costs p * hit + (1 - p) * miss, which equals a cost d at p = (miss - d) / (miss - hit). If a hit costs no less
than d, the cache pays at no hit rate.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import xxhash

from tophash_cache._cache import TopHashCache
from tophash_cache._hashing import xxh64

LENGTHS = (8, 16, 32)  # bytes; the longest is the default max_key_bytes
KEYS = 1000  # few enough that keys and entries stay in a processor's inner caches: the best case of the cache
ROUNDS = 15  # each measures every cost once; the median is the result


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Nanoseconds per call, for one type and length of key.

    Attributes:
        kind: "str" or "bytes".
        length: bytes per key.
        new_objects: whether a key comes again as a new object, as from a parser, or as the same object.
        hit: `TopHashCache.hash` of a key that is cached.
        miss: `TopHashCache.hash` of a key that is not cached, including its insertion.
        direct: `tophash_cache.xxh64`.
        package: `xxhash.xxh64_intdigest` of the `xxhash` package, with `encode()` for a str.

    Example:
        >>> costs = Costs(kind="str", length=16, new_objects=False, hit=20.0, miss=100.0, direct=25.0, package=60.0)
        >>> costs.break_even(costs.direct), costs.break_even(costs.package)
        (0.9375, 0.5)
    """

    kind: str
    length: int
    new_objects: bool
    hit: float
    miss: float
    direct: float
    package: float

    def break_even(self, other: float) -> float | None:
        """The hit rate (0 to 1) from which the cache costs less than `other` ns per call; None if there is none."""
        if self.hit >= other:
            return None
        return max(0.0, (self.miss - other) / (self.miss - self.hit))


def measure(*, rounds: int = ROUNDS, keys: int = KEYS) -> list[Costs]:
    """The costs for str and bytes keys of each length, as the same objects and as new ones.

    Args:
        rounds: measurements of each cost, of which the median is taken.
        keys: the number of different keys.

    Example:
        >>> costs = measure(rounds=1, keys=10)
        >>> len(costs), costs[0].kind, costs[0].length, costs[0].new_objects
        (12, 'str', 8, False)
    """
    kinds = [(kind, length) for kind in ("str", "bytes") for length in LENGTHS]
    return [_costs(kind, length, new, rounds, keys) for kind, length in kinds for new in (False, True)]


def _costs(kind: str, length: int, new_objects: bool, rounds: int, count: int) -> Costs:
    def build() -> TopHashCache:
        return TopHashCache(enabled=True, policy="always", max_entries=count, max_key_bytes=length)

    held = _make(kind, length, count)
    cache = build()
    _time(cache.hash, held)
    package = _time_encoded if kind == "str" else partial(_time, xxhash.xxh64_intdigest)
    times: dict[str, list[float]] = {name: [] for name in ("loop", "hit", "miss", "direct", "package")}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(rounds):
            timed: dict[str, Callable[[list[Any]], float]] = {
                "loop": _time_loop,
                "hit": partial(_time, cache.hash),
                "miss": partial(_time, build().hash),
                "direct": partial(_time, xxh64),
                "package": package,
            }
            for name, measured in timed.items():
                times[name].append(measured(_make(kind, length, count) if new_objects or name == "miss" else held))
    finally:
        if collecting:
            gc.enable()
    loop = median(times.pop("loop"))
    return Costs(
        kind=kind, length=length, new_objects=new_objects, **{name: median(t) - loop for name, t in times.items()}
    )


def _make(kind: str, length: int, count: int) -> list[Any]:
    """New key objects, whose Python hashes are not computed yet."""
    texts = [f"{number:0{length}}" for number in range(count)]
    return texts if kind == "str" else [text.encode() for text in texts]


# Each of these returns nanoseconds per key. They are separate, since one more Python call per key would take longer
# than the calls that are measured.


def _time(call: Callable[[Any], int], keys: list[Any]) -> float:
    began = time.perf_counter_ns()
    for key in keys:
        call(key)
    return (time.perf_counter_ns() - began) / len(keys)


def _time_encoded(keys: list[Any]) -> float:
    call = xxhash.xxh64_intdigest
    began = time.perf_counter_ns()
    for key in keys:
        call(key.encode())
    return (time.perf_counter_ns() - began) / len(keys)


def _time_loop(keys: list[Any]) -> float:
    began = time.perf_counter_ns()
    for _ in keys:
        pass
    return (time.perf_counter_ns() - began) / len(keys)
