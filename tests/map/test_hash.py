"""The hash: known values, and an even distribution. test_floods.py has the keys that a weak hash would put together."""

import os
import subprocess
import sys

import numpy as np
import pytest
import xxhash

from pyhmap._inspect.hashes import hash_words, siphash13, tophashes
from support import INT64_MAX, items_of

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


@pytest.mark.slow
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


# ---- texts: SipHash-1-3, or XXH64 ------------------------------------------------------------------------------------

# CPython 3.11 and later hash bytes with SipHash-1-3 (bpo-29410): an independent implementation.
needs_siphash13 = pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes otherwise")
MESSAGES = [bytes(i % 251 + 1 for i in range(size)) for size in [*range(1, 40), 63, 64, 65, 1000]]
MESSAGES += [b"\0", bytes(8), b"\xff" * 7, b"\xff" * 16]


def hashes_of_python(seed):
    """A fresh interpreter's hashes of the messages; for bytes of length 0 it has a constant instead."""
    code = "import sys; print(*[hash(bytes.fromhex(line)) for line in sys.stdin.read().split()])"
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    lines = "\n".join(message.hex() for message in MESSAGES)
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], input=lines, env=environment, capture_output=True, check=True, text=True
    )
    return [int(number) % 2**64 for number in run.stdout.split()]


def secret_of_python(seed):
    """The key that CPython derives from PYTHONHASHSEED: `lcg_urandom` of Python/bootstrap_hash.c; 0 means all zero."""
    state, secret = seed, bytearray()
    for _ in range(16):
        state = (state * 214013 + 2531011) % 2**32
        secret.append(state >> 16 & 0xFF if seed else 0)
    return int.from_bytes(secret[:8], "little"), int.from_bytes(secret[8:], "little")


@needs_siphash13
@pytest.mark.parametrize("seed", [0, 1, 42, 4294967295])
def test_siphash_of_introspect_is_that_of_python(seed):
    ours = [siphash13(message, *secret_of_python(seed)) for message in MESSAGES]
    assert [h - (h == 2**64 - 1) for h in ours] == hashes_of_python(seed)  # hash() never gives -1


def test_siphash_of_the_empty_message():
    """For the key 00 01 ... 0f: the first of the SipHash-1-3 vectors that Rust tests its standard library with."""
    assert siphash13(b"", 0x0706050403020100, 0x0F0E0D0C0B0A0908) == 0xABAC0158050FC4DC


def lies_where(m, hash_) -> bool:
    """Whether the one key of a map lies in the bucket, and has the tophash, of this hash."""
    tophash = m.bucket_arrays().tophash
    top = hash_ >> 56
    return tophash[hash_ & len(tophash) - 1].tolist() == [top if top >= 5 else top + 5, *[0] * 7]


@pytest.mark.parametrize("hash_name", [None, "xxh64"])
@pytest.mark.parametrize("kind", ["bytes", "str", "S", "U", "V", "record"])
def test_a_text_lies_where_its_hash_says(hmap_type, hash_name, kind):
    """The hash is of the stored bytes: UTF-8 for str and U, without trailing NULs, all bytes for V and records."""
    for size in [*range(1, 18), 24, 31, 200]:
        text = ("ключ€" * 100)[:size]
        spec, key, stored = {
            "bytes": (bytes, text.encode()[:size], text.encode()[:size]),
            "str": (str, text, text.encode()),
            "S": (f"S{size + 3}", text.encode()[:size], text.encode()[:size]),
            "U": (f"U{size + 3}", text, text.encode()),
            "V": (f"V{size}", text.encode()[:size], text.encode()[:size]),
            "record": ([("a", "<i4"), ("b", f"S{size}")], (7, b"b"), b"\7\0\0\0b".ljust(size + 4, b"\0")),
        }[kind]
        for write in (lambda m, key=key: m.__setitem__(key, 1), lambda m, key=key: m.set_many([key], 1)):
            m = hmap_type(spec, np.int64, capacity=13 << 5, hash=hash_name, seed=size)
            write(m)
            hash_key = m._state().hash_key
            digest = np.array([xxhash.xxh64_intdigest(stored)], np.uint64)
            mixed = int(hash_words(digest, hash_key)[0])
            assert lies_where(m, mixed if hash_name else siphash13(stored, *hash_key[:2]))
            m.check()


@pytest.mark.parametrize("longest", [8, 12, 16, 71, 72, 200])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 47, 48, 49, 100, 600])
def test_texts_hashed_side_by_side_lie_where_each_alone_would(hmap_type, n, longest):
    """Batches hash eight texts at a time, if none in a block is long; check() hashes each by itself."""
    keys = [(str(i) + "x" * longest)[: max(len(str(i)), i * 7 % (longest + 1))] for i in range(n)]
    m = hmap_type(str, np.int64, seed=n)
    m.set_many(keys, np.arange(n))
    m.check()
    assert m.get_many(keys[::-1]).tolist() == [m[key] for key in keys[::-1]]
    assert items_of(m) == {key: i for i, key in enumerate(keys)}


@pytest.mark.parametrize("key", [0, 1, -1, "text", (1, "a"), None, 2**61 - 1, 1.5])
def test_an_object_lies_where_its_hash_through_the_mixer_says(hmap_type, key):
    m = hmap_type(object, np.int64, {key: 1}, capacity=13 << 5, seed=5)
    assert lies_where(m, int(hash_words(np.array([hash(key) % 2**64], np.uint64), m._state().hash_key)[0]))


@pytest.mark.parametrize("spec", ["i1", "u2", "i4", "f4", "?", "M8[D]"])
def test_a_narrow_word_is_hashed_zero_extended(hmap_type, spec):
    keys = np.array([0, 1], np.uint8).astype(spec) if spec != "i1" else np.array([-1, -128], spec)
    for key in keys:
        m = hmap_type(spec, np.int64, capacity=13 << 5, seed=5)
        m.set_many([key], 1)
        word = int.from_bytes(key.tobytes(), "little")
        assert lies_where(m, int(hash_words(np.array([word], np.uint64), m._state().hash_key)[0]))


@pytest.mark.parametrize("spec", [np.int64, object, "f4", "M8[s]"])
def test_xxh64_is_for_texts_only(hmap_type, spec):
    with pytest.raises(ValueError, match="hash='xxh64'"):
        hmap_type(spec, np.int64, hash="xxh64")
    with pytest.raises(ValueError, match="hash='md5'"):
        hmap_type(str, np.int64, hash="md5")
