"""A measuring process of ``floods``: maps of keys that may collide, and maps of as many random keys of their type.

Owns the floods. Prints one line of JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from core.internals import keys_of
from pyhmap import HMap

Array = np.ndarray
BITS = 8  # of the XXH64 family: 4^8 keys with 2^8 digests
N = 4**BITS
SEED = 1  # of the maps of those floods whose maker knows it
ROUNDS = 5  # flood and random keys in turn; the median counts
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio
P1, P2 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F  # of the specification of XXH64
OPERATIONS = ("set_many", "m[k] = v", "get_many", "m[k]")


class Flood(NamedTuple):
    """A type of keys, the settings of their map, and the keys themselves."""

    key: Any
    settings: dict[str, Any]
    keys: Callable[[np.random.Generator], Array]


def xxh64_family() -> Array:
    """Keys of 16 bytes whose digests are equal in groups of 2^BITS, under every seed of XXH64.

    XXH64 takes each word of 8 bytes into its state by h = rotl(h ^ round(word), 27) * P1 + P4. The first words vary
    those bits of their rounds which the rotation makes the top ones of h; a multiplication moves no bit down, so only
    the top bits of h vary. The second words vary the top bits of their rounds: all that the first did can be undone.
    """
    patterns = np.arange(2**BITS, dtype=np.uint64)
    firsts, seconds = (words_of_rounds(patterns << np.uint64(top - BITS)) for top in (37, 64))
    keys = np.stack([np.repeat(firsts, len(seconds)), np.tile(seconds, len(firsts))], axis=1)
    return keys.view("V16").ravel()


def words_of_rounds(rounds: Array) -> Array:
    """The words whose rounds are these: round(word) = rotl(word * P2, 31) * P1."""
    x = rounds * np.uint64(pow(P1, -1, 2**64))
    x = x >> np.uint64(31) | x << np.uint64(33)
    return x * np.uint64(pow(P2, -1, 2**64))


def another_maps_order(rng: np.random.Generator) -> Array:
    """Random keys as a map of the same hash key returns them: sorted by their buckets."""
    other = HMap(np.int64, np.int64, seed=SEED)
    other.set_many(random_keys(np.int64, rng), 0)
    return other.keys_array()


def hashes(rng: np.random.Generator, zeros: int) -> Array:
    """Distinct random hashes; so many low bits are 0, of which 14 choose the bucket in a map of N keys."""
    return rng.choice(2**50, N, replace=False).astype(np.uint64) << np.uint64(zeros)


FLOODS = {
    "dense": Flood(np.int64, {}, lambda rng: np.arange(N)),
    "strided by 3 * 2^20": Flood(np.int64, {}, lambda rng: np.arange(N) * (3 << 20)),
    "shifted by 40": Flood(np.int64, {}, lambda rng: np.arange(N) << 40),
    "golden ratio": Flood(np.uint64, {}, lambda rng: np.arange(N, dtype=np.uint64) * np.uint64(GOLDEN)),
    "floats, tenths": Flood(np.float64, {}, lambda rng: np.arange(N) / 10),
    "another map's order": Flood(np.int64, {"seed": SEED}, another_maps_order),
    "XXH64 family": Flood(bytes, {}, lambda rng: xxh64_family()),
    "XXH64 family, hash='xxh64'": Flood(bytes, {"hash": "xxh64"}, lambda rng: xxh64_family()),
    "one bucket, the seed known": Flood(np.int64, {"seed": SEED}, lambda rng: keys_of(hashes(rng, 14), SEED)),
    "one tophash, the seed known": Flood(
        np.int64, {"seed": SEED}, lambda rng: keys_of(hashes(rng, 0) | np.uint64(0xA7 << 56), SEED)
    ),
}


def random_keys(key: Any, rng: np.random.Generator) -> Array:
    """As many random keys of a type."""
    if key is bytes:
        return rng.integers(2**63, size=(N, 2)).view("V16").ravel()
    return rng.random(N) if key is np.float64 else rng.integers(2**62, size=N).astype(key)


def timed(call: Callable[[], Any]) -> float:
    """CPU nanoseconds per key."""
    began = time.process_time_ns()
    call()
    return (time.process_time_ns() - began) / N


def one_round(flood: Flood, keys: Array, rng: np.random.Generator) -> tuple[HMap, list[float]]:
    """A map of the keys, and what each operation took, single ones less their loop."""
    m, singly = (HMap(flood.key, np.int64, **flood.settings) for _ in range(2))
    values, listed = np.arange(N), keys.tolist()
    asked = keys[rng.permutation(N)]
    asked_singly = asked.tolist()
    if flood.key is bytes:  # arrays have no type of bytes that ends in any byte
        keys, asked = listed, asked_singly

    def loop() -> None:
        for _key in listed:
            pass

    def set_all() -> None:
        for key in listed:
            singly[key] = 1

    def get_all() -> None:
        for key in asked_singly:
            singly[key]

    alone = timed(loop)
    ns = [timed(lambda: m.set_many(keys, values)), timed(set_all) - alone]
    ns += [timed(lambda: m.get_many(asked)), timed(get_all) - alone]
    return m, ns


def measure(name: str, seed: int) -> dict[str, Any]:
    """The medians of one flood, and of random keys in its place."""
    flood, rng = FLOODS[name], np.random.default_rng(seed)
    keys = {"flooded": flood.keys(rng), "random": random_keys(flood.key, rng)}
    taken: dict[str, list[list[float]]] = {arm: [] for arm in keys}
    made: dict[str, Any] = {"flood": name, "keys": N}
    for _ in range(ROUNDS):
        for arm in keys:
            m, ns = one_round(flood, keys[arm], rng)
            taken[arm].append(ns)
            m.check()
            stats = m.stats()
            made[arm] = {"rekeys": stats.rekeys, "growths": stats.growths, "longest": len(stats.chain_lengths) - 1}
    for arm, rounds in taken.items():
        made[arm] |= dict(zip(OPERATIONS, np.median(rounds, axis=0).tolist(), strict=True))
    return made


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="floods/worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("flood", choices=FLOODS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.flood, options.seed)))


if __name__ == "__main__":
    main(sys.argv[1:])
