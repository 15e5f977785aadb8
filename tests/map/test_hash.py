"""The hash: known values, and how evenly it spreads keys that a weak hash would heap up."""

import numpy as np
import pytest

from pyhmap.introspect import hash_words, tophashes
from support import INT64_MAX

# SplitMix64's first outputs for two seeds, as published with the xoshiro generators and at Rosetta Code.
SPLITMIX = {
    0: (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC),
    1234567: (6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431),
}

# Hashes for seed 0, computed by a C program of ten lines from the formula alone.
HASHES = {
    0: 0x2EC7B765A5EC1A7E,
    1: 0x1CEA5DC54C5C70D2,
    42: 0x46FFE77E4E1B822C,
    1 << 32: 0x7CFB749BE0656561,
    2**64 - 1: 0xB8C2BAA043938E02,
}
FLOAT_HASHES = {0.0: 0x2EC7B765A5EC1A7E, float("nan"): 0xEDD162CF5F2A4996, 1.0: 0xD25CE90EB71D00F5}


@pytest.mark.parametrize("seed", SPLITMIX)
def test_the_hash_key_comes_from_splitmix64(hmap_type, seed):
    offset, *multipliers = SPLITMIX[seed]
    m = hmap_type(np.int64, np.int64, seed=seed)
    assert m._state().hash_key == (offset, *(multiplier | 1 for multiplier in multipliers))
    assert m.header().hash0 == offset & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("dtype", "key", "hash_"),
    [
        *((np.uint64, key, hash_) for key, hash_ in HASHES.items()),
        *((np.int64, key, HASHES[key]) for key in (0, 1, 42, 1 << 32)),
        (np.int64, -1, HASHES[2**64 - 1]),
        *((np.float64, key, hash_) for key, hash_ in FLOAT_HASHES.items()),
        (np.float64, -0.0, FLOAT_HASHES[0.0]),
    ],
)
def test_a_key_lies_where_its_hash_says(hmap_type, dtype, key, hash_):
    m = hmap_type(dtype, np.int64, {key: 1}, capacity=13 << 11, seed=0)
    tophash = m.bucket_arrays().tophash
    assert tophash[hash_ & 0xFFF].tolist() == [hash_ >> 56] + [0] * 7
    assert np.count_nonzero(tophash) == 1


def test_tophashes_below_5_are_raised():
    words = np.array([0, 1 << 56, 4 << 56, 5 << 56, 9 << 56, 255 << 56], np.uint64)
    assert tophashes(words).tolist() == [5, 6, 9, 5, 9, 255]


def random_hash_keys(n):
    keys = np.random.default_rng(7).integers(0, 2**64, (n, 4), np.uint64)
    keys[:, 1:] |= np.uint64(1)
    return [tuple(key.tolist()) for key in keys]


def test_shifted_keys_are_spread_as_evenly_as_random_ones():
    """1,664 keys i << s in 256 buckets, for every s that keeps them apart.

    With two rounds in place of three the worst bucket of these 21,600 maps has 69 keys; here and at random, some 25.
    """
    base = np.arange(1664, dtype=np.uint64)
    rng = np.random.default_rng(8)
    worst = worst_random = 0
    for hash_key in random_hash_keys(400):
        for shift in range(54):
            buckets = hash_words(base << np.uint64(shift), hash_key) & np.uint64(255)
            worst = max(worst, np.bincount(buckets.astype(np.int64)).max())
            worst_random = max(worst_random, np.bincount(rng.integers(0, 256, 1664)).max())
    assert worst <= worst_random + 2


def chi_square(counts, expected) -> float:
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("shift", [0, 20, 44])
def test_tophashes_are_uniform(hmap_type, shift):
    """251 values; 5 to 9 stand for two each. Chi-square has mean 250 and deviation sqrt(500): within five of them."""
    n = 30_000 if shift else 60_000
    m = hmap_type(np.int64, np.int64, capacity=n, seed=3)
    m.set_many(np.arange(n) << shift & INT64_MAX, 0)
    assert len(m) == n
    counts = np.bincount(m.bucket_arrays().tophash.ravel(), minlength=256)[5:]
    expected = np.where(np.arange(5, 256) < 10, 2, 1) * n / 256
    assert abs(chi_square(counts, expected) - 250) < 5 * 500**0.5


@pytest.mark.parametrize("bit", [0, 1, 31, 32, 62, 63])
def test_every_bit_of_a_key_reaches_every_bit_of_its_hash(bit):
    words = np.random.default_rng(1).integers(0, 2**64, 4000, np.uint64)
    for hash_key in random_hash_keys(5):
        changed = hash_words(words, hash_key) ^ hash_words(words ^ np.uint64(1 << bit), hash_key)
        share = np.unpackbits(changed.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little").mean(0)
        assert share.min() > 0.3
        assert share.max() < 0.7


KEY_SETS = {
    "dense": np.arange(10_000),
    "negative": -np.arange(10_000),
    "strided by 1000": np.arange(10_000) * 1000,
    "shifted by 20": np.arange(10_000) << 20,
    "multiples of 2^32": np.arange(10_000) << 32,
    "high bits only": np.arange(10_000) << 50,
    "squares": np.arange(10_000) ** 2,
    "bit pairs": np.array([1 << i | 1 << j for i in range(63) for j in range(i)]),
    "floats from 1e9": np.arange(10_000) + 1e9,
    "floats, small integers": np.arange(10_000.0),
    "floats, powers of two": 2.0 ** np.arange(-1000, 1000),
    "floats, tenths": np.arange(10_000) / 10,
}


@pytest.mark.parametrize("keys", KEY_SETS.values(), ids=KEY_SETS)
def test_chains_stay_short(hmap_type, keys):
    """A chain of more than 4 overflow buckets holds 41 keys: at 6.5 on average that has probability 1e-19."""
    m = hmap_type(keys.dtype, np.int64)
    m.set_many(keys, 0)
    assert len(m) == len(keys)
    assert len(m.stats().chain_lengths) - 1 <= 5
    m.check()
