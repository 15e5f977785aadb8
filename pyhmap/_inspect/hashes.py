"""The hashes of the map, in NumPy and Python.

The check and the reference use these functions. They share no code with the kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from pyhmap._inspect.state import INLINE_TEXT, MIN_TOPHASH, OFFSET_BITS, TEXT, RawTable
from pyhmap.errors import CorruptMapError


def hash_words(words: npt.NDArray[np.uint64], hash_key: tuple[int, int, int, int]) -> npt.NDArray[np.uint64]:
    """The keyed hash of 64-bit words, with which maps of ints, floats and times choose a key's bucket.

    Parameters
    ----------
    words
        uint64 array: the keys' bits, zero-extended. NaN and -0.0 are canonical (one NaN, 0.0).
    hash_key
        Four words. The last three are odd. A map's own hash key is secret; ``Header.hash0`` is only a part of it.

    Returns
    -------
    uint64 array of the shape of ``words``
        The low B bits are the main bucket, the top 8 bits the tophash.

    Notes
    -----
    Source: see ``_kernels/hash.pxd``.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhmap.introspect import hash_words
    >>> hash_words(np.array([0, 1 << 32], np.uint64), (0, 1, 1, 1))
    array([         0, 4294967304], dtype=uint64)
    """
    offset, *multipliers = (np.uint64(k) for k in hash_key)
    x = words ^ offset
    for multiplier, shift in zip(multipliers, (32, 29, 32), strict=True):
        x = x * multiplier
        x ^= x >> np.uint64(shift)
    return x


def siphash13(message: bytes, k0: int, k1: int) -> int:
    """SipHash-1-3 of one message. Source: see ``_kernels/siphash.pxd``.

    >>> from pyhmap.introspect import siphash13
    >>> hex(siphash13(b"", 0, 0))
    '0xd1fba762150c532c'
    """
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    words = [int.from_bytes(padded[start : start + 8], "little") for start in range(0, len(padded), 8)]
    return int(_siphash13_of_words(words, k0, k1))


def siphash13_many(messages: list[bytes], k0: int, k1: int) -> npt.NDArray[np.uint64]:
    """SipHash-1-3 of many messages. Messages of equal length are hashed together, word by word.

    >>> from pyhmap.introspect import siphash13, siphash13_many
    >>> int(siphash13_many([b""], 0, 0)[0]) == siphash13(b"", 0, 0)
    True
    """
    hashes = np.zeros(len(messages), np.uint64)
    lengths = np.fromiter(map(len, messages), np.int64, len(messages))
    for length in np.unique(lengths).tolist():
        chosen = np.flatnonzero(lengths == length)
        padded = np.zeros((len(chosen), length // 8 * 8 + 8), np.uint8)
        joined = b"".join(messages[position] for position in chosen.tolist())
        padded[:, :length] = np.frombuffer(joined, np.uint8).reshape(len(chosen), length)
        padded[:, -1] = length & 0xFF
        hashes[chosen] = _siphash13_of_words(list(padded.view(np.uint64).T), k0, k1)
    return hashes


def _siphash13_of_words(words: list[Any], k0: int, k1: int) -> Any:
    """The hash of a padded message. Its words are ints, or uint64 arrays for many messages of one length."""
    v: list[Any] = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    for word in words:
        v[3] = v[3] ^ word
        _sip_round(v)
        v[0] = v[0] ^ word
    v[2] = v[2] ^ 0xFF
    for _ in range(3):
        _sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_round(v: list[Any]) -> None:
    mask = 0xFFFFFFFFFFFFFFFF
    v[0] = v[0] + v[1] & mask
    v[1] = (v[1] << 13 & mask | v[1] >> 51) ^ v[0]
    v[0] = v[0] << 32 & mask | v[0] >> 32
    v[2] = v[2] + v[3] & mask
    v[3] = (v[3] << 16 & mask | v[3] >> 48) ^ v[2]
    v[0] = v[0] + v[3] & mask
    v[3] = (v[3] << 21 & mask | v[3] >> 43) ^ v[0]
    v[2] = v[2] + v[1] & mask
    v[1] = (v[1] << 17 & mask | v[1] >> 47) ^ v[2]
    v[2] = v[2] << 32 & mask | v[2] >> 32


def text_bytes(raw: RawTable, text: Any) -> bytes:
    """The bytes of a stored text, which is a record of dtype TEXT."""
    return texts_bytes(raw, np.array([text], TEXT))[0]


def texts_bytes(raw: RawTable, texts: npt.NDArray[Any]) -> list[bytes]:
    """The bytes of each stored text of an array of dtype TEXT."""
    records = texts.tobytes()  # a view of one record would crash in NumPy where memory fails
    stored = []
    for i, (size, where) in enumerate(zip(texts["size"].tolist(), texts["where"].tolist(), strict=True)):
        if size <= INLINE_TEXT:
            start = i * TEXT.itemsize + TEXT.fields["head"][1]  # type: ignore[index]
            stored.append(records[start : start + size])
            continue
        block, offset = divmod(where, 1 << OFFSET_BITS)
        if block >= len(raw.texts.blocks) or offset + size > len(raw.texts.blocks[block]):
            raise CorruptMapError(f"a text of {size} bytes at {offset} of arena block {block} is outside the arena")
        stored.append(bytes(raw.texts.blocks[block][offset : offset + size]))
    return stored


def key_hashes(raw: RawTable, slots: npt.NDArray[Any], full: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """The hash of the key of each full slot, computed from the key; 0 for the other slots."""
    hashes = np.zeros(full.shape, np.uint64)
    form = raw.key_codec.form
    if form.startswith("word"):
        words = np.ascontiguousarray(slots["key"]).view(f"u{raw.key_codec.size}").astype(np.uint64)
        return np.where(full, hash_words(words, raw.hash_key), hashes)
    keys = slots["key"][full]
    if form == "text":
        texts = texts_bytes(raw, keys)
        if raw.hash_name == "xxh64":
            digests = np.array([xxhash.xxh64_intdigest(text) for text in texts], np.uint64)
            hashes[full] = hash_words(digests, raw.hash_key)
        else:
            hashes[full] = siphash13_many(texts, raw.hash_key[0], raw.hash_key[1])
    else:
        numbers = [hash(raw.key_objects[index]) & 0xFFFFFFFFFFFFFFFF for index in keys["index"].tolist()]
        hashes[full] = hash_words(np.array(numbers, np.uint64), raw.hash_key)
        if not np.array_equal(hashes[full], keys["hash"]):
            raise CorruptMapError(
                "the hash of an object key has changed since it was inserted: a key must keep its hash"
            )
    return hashes


def tophashes(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """The tophash of each hash: its top 8 bits, plus 5 if below 5."""
    top = (hashes >> np.uint64(56)).astype(np.uint8)
    return np.where(top < MIN_TOPHASH, top + MIN_TOPHASH, top).astype(np.uint8)
