"""XXH64 against the specification's published vectors and against the `xxhash` package."""

import random

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from tophash_cache import xxh64

PRIME32 = 2654435761
PRIME64 = 11400714785074694797
SEEDS = [0, 1, PRIME32, 2**63, 2**64 - 1]


def sanity_buffer(size: int) -> bytes:
    """The buffer of xxHash's own test (cli/xsum_sanity_check.c)."""
    state, out = PRIME32, bytearray()
    for _ in range(size):
        out.append(state >> 56)
        state = state * PRIME64 % 2**64
    return bytes(out)


# XSUM_XXH64_testdata in cli/xsum_sanity_check.c of xxHash 0.8.2, and its tests/sanity_test_vectors.h for 31, 32 and 33.
@pytest.mark.parametrize(
    ("size", "seed", "digest"),
    [
        (0, 0, 0xEF46DB3751D8E999),
        (0, PRIME32, 0xAC75FDA2929B17EF),
        (1, 0, 0xE934A84ADB052768),
        (1, PRIME32, 0x5014607643A9B4C3),
        (4, 0, 0x9136A0DCA57457EE),
        (14, 0, 0x8282DCC4994E35C8),
        (14, PRIME32, 0xC3BD6BF63DEB6DF0),
        (31, 0, 0x299B39A290E6D783),
        (32, 0, 0x18B216492BB44B70),
        (33, 0, 0x55C8DC3E578F5B59),
        (222, 0, 0xB641AE8CB691C174),
        (222, PRIME32, 0x20CB8AB7AE10C14A),
    ],
)
def test_published_vectors(size, seed, digest):
    assert xxh64(sanity_buffer(size), seed) == digest


@pytest.mark.parametrize("seed", SEEDS)
def test_every_length_up_to_300_agrees_with_the_package(seed):
    data = random.Random(1).randbytes(300)
    for size in range(301):
        assert xxh64(data[:size], seed) == xxhash.xxh64_intdigest(data[:size], seed)


def test_every_alignment_agrees_with_the_package():
    data = memoryview(random.Random(2).randbytes(400))
    for start in range(16):
        for size in (0, 1, 3, 4, 7, 8, 15, 31, 32, 33, 63, 64, 300):
            part = data[start : start + size]
            assert xxh64(part) == xxhash.xxh64_intdigest(part)


@given(st.binary(max_size=200), st.integers(-(2**70), 2**70))
def test_any_bytes_and_any_int_as_seed(data, seed):
    assert xxh64(data, seed) == xxhash.xxh64_intdigest(data, seed)


@given(st.text(max_size=100))
def test_text_is_hashed_as_its_utf8_bytes(text):
    assert xxh64(text) == xxhash.xxh64_intdigest(text.encode())


# Each width of UTF-8 and of a str's storage at its edges, in texts shorter and longer than the buffer on the stack.
@pytest.mark.parametrize("point", [0x7F, 0x80, 0xFF, 0x100, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF])
@pytest.mark.parametrize("count", [1, 8, 63, 64, 65, 500])
def test_code_points_at_the_edges_of_utf8(point, count):
    text = chr(point) * count
    assert xxh64(text) == xxhash.xxh64_intdigest(text.encode())


class Text(str):
    __slots__ = ()


class Octets(bytes):
    pass


@pytest.mark.parametrize("key", [Text("käse"), Text("cheese"), Octets(b"ab\0"), bytearray(b"abc"), memoryview(b"abc")])
def test_subclasses_and_buffers_are_hashed_by_their_content(key):
    content = key.encode() if isinstance(key, str) else bytes(key)
    assert xxh64(key) == xxhash.xxh64_intdigest(content)


@pytest.mark.parametrize("key", [1, 1.5, None, ("a",), ["a"]])
def test_other_types_are_refused_by_name(key):
    with pytest.raises(TypeError, match=f"type {type(key).__name__}: give str, bytes"):
        xxh64(key)


@pytest.mark.parametrize("text", ["\ud800", "ab\udfff", "x" * 100 + "\udc80"])
def test_a_lone_surrogate_has_no_digest(text):
    with pytest.raises(UnicodeEncodeError):
        xxh64(text)


def test_a_memoryview_with_gaps_is_refused():
    with pytest.raises(BufferError):
        xxh64(memoryview(b"abcdef")[::2])


def test_a_seed_that_is_no_int_is_refused():
    with pytest.raises(TypeError):
        xxh64("a", "seed")
