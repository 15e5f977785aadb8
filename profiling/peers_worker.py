"""A measuring process of ``peers``: one library at one size, printed as one line of JSON.

Owns how each library is built and asked. Imports numpy and the library it is told to measure. Every
library gets the same distinct random int64 keys, and is asked for them in random order, each key
equally often; then for keys it does not hold. The same questions are asked twice: the first answers
are checked, the second are timed.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# At least so many look-ups a pass: a pass over fewer would be over in the noise of the clock and the caches' warming.
FEWEST_QUERIES = 1_000_000
# At most so many: at 10^7 keys a random fifth of them is asked for, every read still misses the caches, and a
# dict is done in seconds.
MOST_QUERIES = 2_000_000
# What a look-up of a missing key gives.
MISSING = -1

Ask = Callable[[], Any]


def make_keys(size: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``size`` keys, as many other keys, and the positions of the queries: permutations, one after another."""
    rng = np.random.default_rng(seed)
    limits = np.iinfo(np.int64)
    # 64-bit draws practically never repeat; the spare ones replace those that do.
    drawn = np.unique(rng.integers(limits.min, limits.max, size=2 * size + 1000, endpoint=True))
    drawn = rng.permutation(drawn)[: 2 * size]
    rounds = max(1, FEWEST_QUERIES // size)
    positions = np.concatenate([rng.permutation(size) for _ in range(rounds)])
    return drawn[:size], drawn[size:], positions[:MOST_QUERIES]


def ask_pyhmap(keys: np.ndarray, values: np.ndarray, hits: np.ndarray, misses: np.ndarray) -> dict[str, Ask]:
    """``HMap.get_many``, without and with a default."""
    import pyhmap

    table = pyhmap.HMap(np.int64, np.int64, seed=0)
    table.set_many(keys, values)
    table.finish_growth()
    return {"hit": lambda: table.get_many(hits), "miss": lambda: table.get_many(misses, MISSING)}


def ask_dict(keys: np.ndarray, values: np.ndarray, hits: np.ndarray, misses: np.ndarray) -> dict[str, Ask]:
    """A list comprehension over a ``dict``, from lists of int: no conversion is timed."""
    table = dict(zip(keys.tolist(), values.tolist(), strict=True))
    hit_list, miss_list, get = hits.tolist(), misses.tolist(), table.get
    return {"hit": lambda: [table[key] for key in hit_list], "miss": lambda: [get(key, MISSING) for key in miss_list]}


def ask_cykhash(keys: np.ndarray, values: np.ndarray, hits: np.ndarray, misses: np.ndarray) -> dict[str, Ask]:
    """``Int64toInt64Map_to``, which fills an array that it is given."""
    import cykhash

    table = cykhash.Int64toInt64Map_from_buffers(keys, values)

    def ask(queries: np.ndarray) -> np.ndarray:
        answers = np.empty(len(queries), np.int64)
        cykhash.Int64toInt64Map_to(table, queries, answers, stop_at_unknown=False, default_value=MISSING)
        return answers

    return {"hit": lambda: ask(hits), "miss": lambda: ask(misses)}


LIBRARIES = {"pyhmap": ask_pyhmap, "dict": ask_dict, "cykhash": ask_cykhash}


def measure(library: str, size: int, seed: int) -> dict[str, Any]:
    """CPU nanoseconds a key, for hits and for misses."""
    keys, others, positions = make_keys(size, seed)
    values = np.arange(size, dtype=np.int64)
    expected = {"hit": values[positions], "miss": np.full(len(positions), MISSING)}
    if library == "np.take":  # the floor: the same random reads with nothing to search
        asks = {"hit": lambda: np.take(values, positions)}
    else:
        asks = LIBRARIES[library](keys, values, keys[positions], others[positions])
    result: dict[str, Any] = {"library": library, "size": size, "queries": len(positions)}
    for operation, ask in asks.items():
        if not np.array_equal(np.asarray(ask()), expected[operation]):
            raise AssertionError(f"{library} gives wrong answers for a {operation} at {size} keys")
        began = time.process_time_ns()
        answers = ask()
        result[operation] = (time.process_time_ns() - began) / len(positions)
        del answers  # not earlier: to give a list of ints back is no part of a look-up
    return result


def main(arguments: list[str]) -> None:
    """Measure as the arguments say and print the result."""
    parser = argparse.ArgumentParser(prog="peers_worker.py", description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=[*LIBRARIES, "np.take"])
    parser.add_argument("size", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.library, options.size, options.seed)))


if __name__ == "__main__":
    main(sys.argv[1:])
