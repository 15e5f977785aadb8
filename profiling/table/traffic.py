"""Made workloads: keys of one type and length, asked for in a known order.

Owns the traffics and how keys are written.

Each traffic says what a cache of 8,192 entries can make of it. The cache is meant to lose two: ``scan``, where no key
comes twice, and, with any traffic, keys of more than 32 bytes, which it does not look up.
"""

import hashlib

import numpy as np

from core import corpus

# Enough for the controller of the cache to switch off, probe and come back several times (windows of 4,096 keys).
KEYS = 1_000_000
SHORTEST, LONGEST = 8, 64
# A small working set: half of the cache's entries.
SMALL = 4_000
# A large one, for skewed traffic: six times the cache's entries.
LARGE = 50_000
# With so much skew 8,192 entries hold some nine in ten of the look-ups.
ZIPF_EXPONENT = 1.2
SEED = 7


def zipf(count: int, rng: np.random.Generator) -> np.ndarray:
    """The k-th most frequent of 50,000 keys comes with a frequency of 1 / k^1.2."""
    weights = np.arange(1, LARGE + 1) ** -ZIPF_EXPONENT
    return np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(count))


def uniform(count: int, rng: np.random.Generator) -> np.ndarray:
    """4,000 keys, each as likely as any other: all fit in the cache."""
    return rng.integers(0, SMALL, count)


def scan(count: int, rng: np.random.Generator) -> np.ndarray:
    """Every key is new."""
    return np.arange(count)


def phases(count: int, rng: np.random.Generator) -> np.ndarray:
    """A third zipf, a third scan, and the first third's keys again: the cache should switch off and come back."""
    third = count // 3
    return np.concatenate([zipf(third, rng), LARGE + scan(third, rng), zipf(count - 2 * third, rng)])


TRAFFICS = {"zipf": zipf, "uniform": uniform, "scan": scan, "phases": phases}


def spell(number: int, length: int) -> str:
    """The key of a number: hexadecimal digits that look random; two numbers below 2^32 never share one.

    >>> spell(1, 8), len(spell(2, 64))
    ('9e3779b1', 64)
    """
    first = f"{number * 0x9E3779B1 % 2**32:08x}"  # an odd factor, so a permutation of 32-bit numbers
    return (first + hashlib.sha256(first.encode()).hexdigest())[:length]


def make(traffic: str, *, key_type: str = "str", length: int = 16, every: int = 1) -> corpus.Corpus:
    """A workload of ``KEYS / every`` keys of so many bytes; raises ``ValueError`` for a length that is out of range."""
    if not SHORTEST <= length <= LONGEST:
        raise ValueError(f"--key-bytes must be {SHORTEST} to {LONGEST}, not {length}")
    order = TRAFFICS[traffic](KEYS // every, np.random.default_rng(SEED))
    numbers, places = np.unique(order, return_inverse=True)
    written = [spell(number, length) for number in numbers.tolist()]
    words = [written[place] for place in places.tolist()]
    source = f"made traffic, {traffic}: {(TRAFFICS[traffic].__doc__ or '').rstrip('.')}; keys of {length} bytes"
    name = f"{traffic}-{key_type}-{length}"
    return corpus.describe_words(words, 0, source=source, key_type=key_type, name=name)
