"""Statistics of a table: load, chains, probes, and comparisons beside those of an ideal hash.

Owns :class:`Stats` and its computation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyhmap._inspect.state import MIN_TOPHASH, SLOTS, RawBuckets, RawTable, chains, is_evacuated


@dataclass(frozen=True)
class Stats:
    """The result of ``stats()``. Histograms are tuples indexed by length; comparisons are means per look-up."""

    count: int
    buckets: int  #: main buckets
    load_factor: float  #: keys per main bucket
    overflow_buckets: int
    chain_lengths: tuple[int, ...]  #: [n]: the number of chains of n buckets
    probe_lengths: tuple[int, ...]  #: [n]: the number of keys in the n-th bucket of their chain, n from 1
    hit_comparisons: float  #: keys compared to find a key that is present, at least 1
    expected_hit_comparisons: float  #: the same with an ideal hash
    miss_comparisons: float  #: keys compared to find that a key is absent
    expected_miss_comparisons: float  #: the same with an ideal hash
    growths: int  #: doublings since the map was made
    same_size_growths: int
    shrinks: int
    rekeys: int  #: rebuilds with a new hash key, each because a chain had more than 4 overflow buckets
    tophash_bytes: int  #: of the rows in use, of both arrays while growing; so are the next two
    slot_bytes: int
    overflow_bytes: int

    @property
    def nbytes(self) -> int:
        """The bytes of all rows in use."""
        return self.tophash_bytes + self.slot_bytes + self.overflow_bytes


def stats(raw: RawTable) -> Stats:
    """The statistics of a map. Walks its arrays and sorts its tophashes."""
    arrays = [raw.now, raw.old] if raw.old else [raw.now]
    lengths = np.zeros(1, np.int64)
    found_at = np.zeros(1, np.int64)
    hit = miss = 0.0
    for array, reach in zip(arrays, chain_shares(raw), strict=True):
        live = reach > 0
        depth, main = chains(array)
        row_counts = np.where(live[main], (array.tophash >= MIN_TOPHASH).sum(1), 0)
        longest = np.zeros(array.nmain, np.int64)
        np.maximum.at(longest, main, depth)
        lengths = _add(lengths, np.bincount(longest[live]))
        found_at = _add(found_at, np.bincount(depth, row_counts).astype(np.int64))
        pairs, strangers = _tophash_pairs(array, main, reach)
        hit += pairs
        miss += strangers
    rows = sum(len(array.tophash) for array in arrays)
    load = raw.count / raw.now.nmain
    # With an ideal hash, a key shares its bucket with `load` other keys on average (Poisson). `share` is the chance
    # that two keys have equal tophashes. There are 251 values, five of them twice as likely because of the five states:
    # sum p^2 = (246 + 5 * 4) / 256^2. A hit compares half of the keys that share its tophash, a miss all of them.
    share = (246 + 5 * 4) / 256**2
    return Stats(
        count=raw.count,
        buckets=raw.now.nmain,
        load_factor=load,
        overflow_buckets=raw.now.noverflow,
        chain_lengths=tuple(int(n) for n in lengths),
        probe_lengths=tuple(int(n) for n in found_at),
        hit_comparisons=1 + hit / raw.count if raw.count else 0.0,
        expected_hit_comparisons=1 + load * share / 2 if raw.count else 0.0,
        miss_comparisons=miss,
        expected_miss_comparisons=load * share,
        growths=raw.growths,
        same_size_growths=raw.same_size_growths,
        shrinks=raw.shrinks,
        rekeys=raw.rekeys,
        tophash_bytes=rows * SLOTS,
        slot_bytes=rows * SLOTS * raw.now.slots.dtype.itemsize,
        overflow_bytes=rows * 4,
    )


def chain_shares(raw: RawTable) -> list[npt.NDArray[np.float64]]:
    """For each array and each of its main buckets, the share of all hashes whose keys belong to its chain.

    While growing, the hashes of an old bucket lead to its chain until it is evacuated, and then to the new array.
    """
    if not raw.old:
        return [np.full(raw.now.nmain, 1 / raw.now.nmain)]
    hashes = np.arange(max(raw.now.nmain, raw.old.nmain))  # their low bits, which choose the bucket
    old = hashes % raw.old.nmain
    moved = is_evacuated(raw.old.tophash[: raw.old.nmain, 0])[old]
    counts = [np.bincount(hashes[moved] % raw.now.nmain, minlength=raw.now.nmain)]
    counts.append(np.bincount(old[~moved], minlength=raw.old.nmain))
    return [count / len(hashes) for count in counts]


def _add(a: npt.NDArray[np.int64], b: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    out = np.zeros(max(len(a), len(b)), np.int64)
    out[: len(a)] += a
    out[: len(b)] += b
    return out


def _tophash_pairs(
    array: RawBuckets, main: npt.NDArray[np.int64], share: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """The comparisons beyond the first, summed over all hits; and the mean number of comparisons of a miss.

    n keys of one bucket with the same tophash cost 0 + 1 + ... + (n-1) extra comparisons when each is looked up once.
    A miss has a random tophash and compares every key that shares it.
    """
    full = (array.tophash >= MIN_TOPHASH) & (share[main] > 0)[:, None]
    buckets = np.broadcast_to(main[:, None], full.shape)[full]
    tophash = array.tophash[full].astype(np.int64)
    _, same = np.unique(buckets * 256 + tophash, return_counts=True)
    likely = np.where(tophash < 2 * MIN_TOPHASH, 2, 1) / 256
    return float((same * (same - 1) / 2).sum()), float((likely * share[buckets]).sum())
