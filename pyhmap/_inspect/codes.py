"""The check of an id map: whole arrays, without a line of the kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codec import Codec
from pyhmap._inspect.hashes import hash_words, siphash13_many, texts_bytes
from pyhmap._inspect.state import SLOTS, TEXT, RawTexts
from pyhmap.errors import CorruptMapError


class RawCodes(NamedTuple):
    """The whole state of an id map, as _kernels/codes.pxd draws it."""

    count: int  # type: ignore[assignment]
    buckets: npt.NDArray[np.uint8]  #: [2**B, 64]: 8 tags, 8 prefixes of 3 bytes, 8 codes one higher
    keys: npt.NDArray[np.uint8]  #: the stored keys, one behind the other
    hash_key: tuple[int, int, int, int]
    key_codec: Codec
    texts: RawTexts


def check(raw: RawCodes) -> None:
    """Raise ``CorruptMapError`` unless a look-up of each key finds its code."""
    tags, codes = raw.buckets[:, :SLOTS], raw.buckets[:, 32:].view(np.uint32).astype(np.int64) - 1
    prefixes = raw.buckets[:, SLOTS:32].reshape(-1, SLOTS, 3)
    full = codes >= 0
    if np.any(full[:, 1:] > full[:, :-1]):
        raise CorruptMapError(f"bucket {_first(full[:, 1:] > full[:, :-1])} has an empty slot before a full one")
    if np.any((tags == 0) == full):
        raise CorruptMapError(f"bucket {_first((tags == 0) == full)} has a tag without a code, or a code without a tag")
    if not np.array_equal(np.sort(codes[full]), np.arange(raw.count)):
        raise CorruptMapError(f"the buckets do not hold each code from 0 to {raw.count - 1} once")
    at = np.empty(raw.count, np.int64)  # the bucket of each code
    at[codes[full]] = np.nonzero(full)[0]
    parts = np.concatenate([tags[:, :, None], prefixes], axis=2).view(np.uint32)[:, :, 0]
    upper = np.empty(raw.count, np.uint64)
    upper[codes[full]] = parts[full]
    hashes = _hashes(raw)
    if np.any(upper != (hashes >> np.uint64(32) | np.uint64(1))):
        wrong = _first(upper != (hashes >> np.uint64(32) | np.uint64(1)))
        raise CorruptMapError(f"tag and prefix of code {wrong} are not those of its key")
    nbuckets = len(raw.buckets)
    home = (upper * np.uint64(nbuckets) >> np.uint64(32)).astype(np.int64)
    is_full = full.all(axis=1)
    before = np.concatenate([[0], np.cumsum(np.tile(is_full, 2))])  # full buckets before each, twice around
    distance = (at - home) % nbuckets
    if np.any(before[home + distance] - before[home] != distance):
        wrong = _first(before[home + distance] - before[home] != distance)
        raise CorruptMapError(f"code {wrong} is behind a bucket with an empty slot, where no search comes")
    if len(set(_stored(raw))) != raw.count:
        raise CorruptMapError("a key has two codes")


def _first(wrong: npt.NDArray[np.bool_]) -> int:
    return int(np.nonzero(wrong)[0][0])


def _stored(raw: RawCodes) -> list[bytes] | list[int]:
    """The keys as the bytes of texts, or as words."""
    return _texts(raw) if raw.key_codec.form == "text" else _words(raw).tolist()


def _texts(raw: Any) -> list[bytes]:
    return texts_bytes(raw, raw.keys.view(TEXT))  # of the state, it reads the texts


def _words(raw: RawCodes) -> npt.NDArray[np.uint64]:
    return raw.keys.view(np.uint64 if raw.key_codec.form == "word64" else np.uint32).astype(np.uint64)


def _hashes(raw: RawCodes) -> npt.NDArray[np.uint64]:
    if raw.key_codec.form == "text":
        return siphash13_many(_texts(raw), raw.hash_key[0], raw.hash_key[1])
    return hash_words(_words(raw), raw.hash_key)
