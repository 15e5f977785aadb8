"""The keys and questions of the verb ``peers``: the same ones for every library of a block.

Owns the key sets, easy and hard, and the file in which native programs get them. One key set is aimed at pyhmap's own
hash, so the stream that a seed gives comes from pyhmap.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.internals import keys_of

Array = np.ndarray

# At least so many look-ups per pass: a pass over fewer would be over in the noise of the clock and the caches' warming.
FEWEST_QUERIES = 1_000_000
# At most so many: at 10^7 keys a random fifth of them is asked for, every read still misses the caches, and a
# dict is done in seconds.
MOST_QUERIES = 2_000_000
MISSING = -1  # what a look-up of a missing key gives
SEED = 0  # of pyhmap's hash: the key set "one tophash" is made for it
ONE_TOPHASH = 0xA7
LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8)
HOURS_4 = 4 * 3600 * 10**9  # nanoseconds


@dataclass(frozen=True)
class Questions:
    """Keys and what is asked of a table of them. The value of ``keys[i]`` is i: some libraries find positions."""

    keys: Array
    hits: Array
    hit_answers: Array
    misses: Array
    mixed: Array  # every other one is there
    mixed_answers: Array
    deleted: Array  # half of the keys
    stream: Array  # of Zipf's law: key number i comes about 1 / i as often as the first
    draws: Array  # each one any of the keys

    @property
    def values(self) -> Array:
        """The value of each key."""
        return np.arange(len(self.keys), dtype=np.int64)


def zipf(rng: np.random.Generator, size: int, n: int) -> Array:
    """``n`` positions below ``size`` whose logarithms are uniform: Zipf's law with exponent 1."""
    return np.minimum((size + 1) ** rng.random(n), size).astype(np.int64) - 1


def questions(kind: str, key_set: str, size: int, seed: int) -> Questions:
    """The questions of one workload; those of different seeds differ."""
    rng = np.random.default_rng(seed)
    distinct = make_keys(kind, key_set, 2 * size, rng)
    keys, others = distinct[:size], distinct[size:]
    rounds = max(1, FEWEST_QUERIES // size)
    if key_set == "zipf":
        positions = zipf(rng, size, max(size, FEWEST_QUERIES))
    else:
        positions = np.concatenate([rng.permutation(size) for _ in range(rounds)])[:MOST_QUERIES]
    present = rng.permutation(len(positions)) % 2 == 0
    chosen = keys[positions]
    misses = others[positions]
    many = max(size, FEWEST_QUERIES)
    return Questions(
        keys=keys,
        hits=chosen,
        hit_answers=positions,
        misses=misses,
        mixed=np.where(present, chosen, misses),
        mixed_answers=np.where(present, positions, MISSING),
        deleted=keys[rng.permutation(size)[: size // 2]],
        stream=keys[zipf(rng, size, many)],
        draws=keys[rng.integers(size, size=many)],
    )


def make_keys(kind: str, key_set: str, n: int, rng: np.random.Generator) -> Array:
    """n distinct keys, in the order in which they are inserted: regular ones as they come."""
    if kind.startswith("str"):
        return random_texts(int(kind.removeprefix("str")), n, rng)
    made = KEY_SETS[key_set](n, rng)
    if kind == "float64" and made.dtype != np.float64:
        return rng.permutation(np.unique(rng.standard_normal(n + n // 100 + 100)))[:n]
    return made


def random_words(n: int, rng: np.random.Generator) -> Array:
    """Distinct int64 from the whole range; the spare ones replace the few that repeat."""
    limits = np.iinfo(np.int64)
    drawn = np.unique(rng.integers(limits.min, limits.max, size=n + n // 1000 + 100, endpoint=True))
    return rng.permutation(drawn)[:n]


def scattered(n: int, rng: np.random.Generator) -> Array:
    """Distinct int64 that look random: numbers in a row, mixed. To draw 10^8 without repetition would take minutes."""
    x = np.arange(n, dtype=np.uint64) + rng.integers(2**63, dtype=np.uint64)
    for factor in (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93):
        x *= np.uint64(factor)
        x ^= x >> np.uint64(32)
    return x.view(np.int64)


def random_texts(length: int, n: int, rng: np.random.Generator) -> Array:
    """Distinct texts of so many ASCII letters and digits."""
    letters = LETTERS[rng.integers(len(LETTERS), size=(n + n // 1000 + 100, length))]
    distinct = np.unique(letters.view(f"S{length}").ravel())
    return rng.permutation(distinct)[:n].astype(f"U{length}")


def one_tophash(n: int, rng: np.random.Generator) -> Array:
    """Keys of the same tophash in a map made with ``seed=SEED``: a look-up there must compare keys, not tophashes."""
    x = random_words(n + n // 1000 + 100, rng).view(np.uint64) >> np.uint64(8)
    return keys_of(rng.permutation(np.unique(x))[:n] | np.uint64(ONE_TOPHASH << 56), SEED)


def high_bits(n: int, rng: np.random.Generator) -> Array:
    """Random numbers with nothing but zeros in the low bits: one bit more than tells them apart."""
    bits = math.ceil(math.log2(n)) + 1
    return rng.permutation(2**bits)[:n] << (64 - bits)


KEY_SETS: dict[str, Callable[[int, np.random.Generator], Array]] = {
    "random": random_words,
    "dense": lambda n, rng: np.arange(n),
    "shifted": lambda n, rng: np.arange(n) << 20,
    "multiples of 2^40": lambda n, rng: np.arange(n) << 40,
    "high bits": high_bits,
    "every 4 h": lambda n, rng: np.arange(n) * HOURS_4,  # as datetime64[ns] holds them
    "zipf": random_words,
    "one tophash": one_tophash,
    "floats + 1e9": lambda n, rng: np.arange(n) + 1e9,
}


# The arrays of a file, in this order, and which of them hold keys.
FIELDS = {name: not name.endswith("answers") for name in Questions.__dataclass_fields__}


def write(asked: Questions, path: Path) -> None:
    """Write the questions to a file, for Python and native programs alike.

    For each array its length (an int64), then its items: keys as they are in memory, answers as int64. Behind them 2
    and the numbers of distinct keys of ``stream`` and of ``draws``, against which a native program checks its own.
    """
    with path.open("wb") as file:
        for name in FIELDS:
            items = np.ascontiguousarray(getattr(asked, name))
            file.write(np.int64(len(items)).tobytes())
            file.write(items.tobytes())
        distinct = [len(np.unique(asked.stream)), len(np.unique(asked.draws))]
        file.write(np.array([2, *distinct]).tobytes())


def read(path: Path, kind: str) -> Questions:
    """The questions of a file."""
    dtype = np.dtype(f"U{kind.removeprefix('str')}" if kind.startswith("str") else kind)
    with path.open("rb") as file:
        arrays = {
            name: np.fromfile(file, dtype if keys else np.int64, count=int(np.fromfile(file, np.int64, count=1)[0]))
            for name, keys in FIELDS.items()
        }
    return Questions(**arrays)
