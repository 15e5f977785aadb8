"""Looking into a map: header, statistics, layout, and the check of every invariant. Imports _codecs and errors.

Everything here is computed by NumPy from the bucket arrays themselves (:class:`RawTable`), for the compiled map and
its twin alike. Nothing is shared with the kernels, so ``check()`` is a second opinion: it has its own hash function and
walks the chains its own way, all chains of the table one link further at each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from pyhmap._codecs import CANONICAL_NAN, Codec
from pyhmap.errors import CorruptMapError

SLOTS = 8
EMPTY_REST, EMPTY_ONE, EVACUATED_X, EVACUATED_Y, EVACUATED_EMPTY, MIN_TOPHASH = range(6)
SAME_SIZE_GROW = 8
INLINE_TEXT = 12
OFFSET_BITS = 48
TEXT = np.dtype([("size", "<u4"), ("head", "V4"), ("where", "<u8")])  #: a text in a slot, as _layout.pxd draws it
REFERENCE = np.dtype([("hash", "<u8"), ("index", "<u8")])  #: an object key in a slot
BLOCK_ROWS = 1 << 16  # rows checked at once: 8 MiB of slots, so that checking takes little memory beside the map


# ---- what an engine hands over ---------------------------------------------------------------------------------------


class RawBuckets(NamedTuple):
    """The rows in use of one bucket array."""

    tophash: npt.NDArray[np.uint8]  #: [n, 8]
    slots: npt.NDArray[Any]  #: [n, 8], records with the fields ``key`` and ``value``
    overflow: npt.NDArray[np.uint32]  #: [n]; row of the chain's next bucket, 0 for none
    nmain: int  #: 2**B
    free_row: int = 0  #: the first overflow row that is in no chain; its link leads to the next. 0 for none
    nfree: int = 0  #: how many there are

    @property
    def noverflow(self) -> int:
        """Overflow buckets in chains."""
        return len(self.tophash) - self.nmain - self.nfree


class RawTexts(NamedTuple):
    """The arena of the long texts."""

    blocks: list[npt.NDArray[np.uint8]]
    used: int  #: bytes taken of the last block
    live: int  #: bytes that slots refer to
    dead: int  #: bytes of texts that were deleted or overwritten


class RawTable(NamedTuple):
    """The whole state of a map, as an engine's ``_state()`` returns it."""

    count: int  # type: ignore[assignment]
    flags: int
    B: int
    nevacuate: int
    hash_key: tuple[int, int, int, int]
    now: RawBuckets
    old: RawBuckets | None
    key_codec: Codec
    value_codec: Codec
    growths: int
    same_size_growths: int
    shrinks: int
    rekeys: int
    hash_name: str | None
    texts: RawTexts
    key_objects: list[Any]
    value_objects: list[Any]
    given_back: int = 0  #: bytes of evacuated rows of the old array that the system has again


def slot_dtype(key_codec: Codec, value_codec: Codec, value_at: int, stride: int) -> np.dtype[Any]:
    """The dtype of a slot, with the fields ``key`` and ``value``."""
    key = {"text": TEXT, "object": REFERENCE}.get(key_codec.form, key_codec.dtype)
    value = {"text": TEXT, "object": np.dtype(np.uint64)}.get(value_codec.form, value_codec.dtype)
    return np.dtype({"names": ["key", "value"], "formats": [key, value], "offsets": [0, value_at], "itemsize": stride})


# ---- what users see --------------------------------------------------------------------------------------------------


class Header(NamedTuple):
    """The fields of Go's ``hmap``, as the article lists them."""

    count: int  # type: ignore[assignment]  # keys in the map
    flags: int  #: 4: a batch write is under way; 8: growing to the same size
    B: int  #: there are 2**B main buckets
    noverflow: int  #: overflow buckets in the chains of the current array, exact
    hash0: int  #: the low 32 bits of the hash's secret offset
    buckets: int  #: main buckets of the current array
    oldbuckets: int  #: main buckets of the array being evacuated, 0 when not growing
    nevacuate: int  #: old buckets below this one are evacuated


class FieldLayout(NamedTuple):
    """Where one field of a bucket lies: the article's ``unsafe.Offsetof``."""

    name: str
    array: str  #: the bucket array it is part of
    offset: int  #: bytes from the start of the bucket's row in that array
    size: int  #: bytes
    dtype: np.dtype[Any]


class BucketArrays(NamedTuple):
    """Read-only views of the current bucket array. They keep it alive; after a growth they show the array of before."""

    tophash: npt.NDArray[np.uint8]  #: [n, 8]
    keys: npt.NDArray[Any]  #: [n, 8]
    values: npt.NDArray[Any]  #: [n, 8]
    overflow: npt.NDArray[np.uint32]  #: [n]


class Occupancy(NamedTuple):
    """How full each row is: copies, taken at one moment, also in the middle of a growth."""

    full: npt.NDArray[np.uint8]  #: [n] full slots of each row in use, 0 to 8; main buckets first
    nmain: int  #: main buckets
    old_full: npt.NDArray[np.uint8] | None  #: [m] the same of the old array, None when not growing
    evacuated: npt.NDArray[np.bool_] | None  #: [old main buckets] whose keys have moved to the new array
    nevacuate: int  #: old buckets below this one are all evacuated


@dataclass(frozen=True)
class Stats:
    """What ``stats()`` returns. Histograms are tuples indexed by the length; comparisons are means a look-up."""

    count: int
    buckets: int  #: main buckets
    load_factor: float  #: keys a main bucket
    overflow_buckets: int
    chain_lengths: tuple[int, ...]  #: [n]: chains of n buckets
    probe_lengths: tuple[int, ...]  #: [n]: keys found in the n-th bucket of their chain, n from 1
    hit_comparisons: float  #: keys compared to find one that is there, at least 1
    expected_hit_comparisons: float  #: the same for an ideal hash
    miss_comparisons: float  #: keys compared to find that one is not there
    expected_miss_comparisons: float
    growths: int  #: doublings since the map was made
    same_size_growths: int
    shrinks: int
    rekeys: int  #: rebuilds by a new hash key because a chain had more than 4 overflow buckets
    tophash_bytes: int  #: rows in use, of both arrays while growing
    slot_bytes: int
    overflow_bytes: int

    @property
    def nbytes(self) -> int:
        """Bytes of all rows in use."""
        return self.tophash_bytes + self.slot_bytes + self.overflow_bytes


def header(raw: RawTable) -> Header:
    """The map's header, from its state."""
    return Header(
        count=raw.count,
        flags=raw.flags,
        B=raw.B,
        noverflow=raw.now.noverflow,
        hash0=raw.hash_key[0] & 0xFFFFFFFF,
        buckets=raw.now.nmain,
        oldbuckets=raw.old.nmain if raw.old else 0,
        nevacuate=raw.nevacuate if raw.old else 0,
    )


def layout(raw: RawTable) -> tuple[FieldLayout, ...]:
    """Each field of a bucket, slot by slot, in the order of memory."""
    fields = [FieldLayout("tophash", "tophash", 0, SLOTS, np.dtype((np.uint8, SLOTS)))]
    record = raw.now.slots.dtype
    for i in range(SLOTS):
        for name in record.names or ():
            dtype, offset = record.fields[name][:2]  # type: ignore[index]
            fields.append(FieldLayout(f"{name}[{i}]", "slots", i * record.itemsize + offset, dtype.itemsize, dtype))
    fields.append(FieldLayout("overflow", "overflow", 0, 4, np.dtype(np.uint32)))
    return tuple(fields)


def bucket_arrays(raw: RawTable) -> BucketArrays:
    """The current array's rows in use as read-only views."""
    slots = _read_only(raw.now.slots)
    return BucketArrays(_read_only(raw.now.tophash), slots["key"], slots["value"], _read_only(raw.now.overflow))


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that cannot be made writable again, as one with its flag cleared could be."""
    flat = memoryview(array.reshape(-1).view(np.uint8).data).toreadonly()
    return np.frombuffer(flat, array.dtype).reshape(array.shape)


def occupancy(raw: RawTable) -> Occupancy:
    """The full slots of each row; what evacuated rows held is not counted."""

    def full(array: RawBuckets) -> npt.NDArray[np.uint8]:
        counts: npt.NDArray[np.uint8] = (array.tophash >= MIN_TOPHASH).sum(1, dtype=np.uint8)
        return counts

    old = raw.old
    evacuated = _is_evacuated(old.tophash[: old.nmain, 0]) if old else None
    return Occupancy(full(raw.now), raw.now.nmain, full(old) if old else None, evacuated, raw.nevacuate)


# ---- statistics ------------------------------------------------------------------------------------------------------


def stats(raw: RawTable) -> Stats:
    """Statistics of a map, by walking its arrays and sorting its tophashes."""
    arrays = [raw.now, raw.old] if raw.old else [raw.now]
    lengths = np.zeros(1, np.int64)
    found_at = np.zeros(1, np.int64)
    hit = miss = 0.0
    for array, reach in zip(arrays, _chain_shares(raw), strict=True):
        live = reach > 0
        depth, main = _chains(array)
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
    # Of the other keys of a bucket (Poisson: load of them on average, also seen from a key of it) 1 in 256 shares the
    # tophash; on average half of those stand before the key. The five states raise it by little: 251 values, five of
    # them twice as likely, make sum p^2 = (246 + 5 * 4) / 256^2.
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


def _chain_shares(raw: RawTable) -> list[npt.NDArray[np.float64]]:
    """For each array and each of its main buckets: the share of all hashes whose keys are in its chain.

    While growing, the hashes of an old bucket lead to its chain until it is evacuated, and then to the new array.
    """
    if not raw.old:
        return [np.full(raw.now.nmain, 1 / raw.now.nmain)]
    hashes = np.arange(max(raw.now.nmain, raw.old.nmain))  # their low bits: all that the choice of a bucket depends on
    old = hashes % raw.old.nmain
    moved = _is_evacuated(raw.old.tophash[: raw.old.nmain, 0])[old]
    counts = [np.bincount(hashes[moved] % raw.now.nmain, minlength=raw.now.nmain)]
    counts.append(np.bincount(old[~moved], minlength=raw.old.nmain))
    return [count / len(hashes) for count in counts]


def _add(a: npt.NDArray[np.int64], b: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    out = np.zeros(max(len(a), len(b)), np.int64)
    out[: len(a)] += a
    out[: len(b)] += b
    return out


def _chains(array: RawBuckets) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row its place in its chain, from 1, and its main bucket; 0 for a row on no chain, such as a free one."""
    depth = np.zeros(len(array.tophash), np.int64)
    main = np.zeros(len(array.tophash), np.int64)
    rows = np.arange(array.nmain)
    buckets = rows
    step = 1
    while len(rows):
        depth[rows] = step
        main[rows] = buckets
        step += 1
        following = array.overflow[rows]
        rows, buckets = following[following != 0].astype(np.int64), buckets[following != 0]
    return depth, main


def _tophash_pairs(
    array: RawBuckets, main: npt.NDArray[np.int64], share: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Comparisons beyond the first, summed over all hits; and the mean number that a miss makes in these chains.

    n keys of one bucket with the same tophash cost 0 + 1 + ... + (n-1) extra comparisons when each is looked up once.
    A miss has a random tophash and compares every key that shares it.
    """
    full = (array.tophash >= MIN_TOPHASH) & (share[main] > 0)[:, None]
    buckets = np.broadcast_to(main[:, None], full.shape)[full]
    tophash = array.tophash[full].astype(np.int64)
    _, same = np.unique(buckets * 256 + tophash, return_counts=True)
    likely = np.where(tophash < 2 * MIN_TOPHASH, 2, 1) / 256
    return float((same * (same - 1) / 2).sum()), float((likely * share[buckets]).sum())


def _is_evacuated(first: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return (first > EMPTY_ONE) & (first < MIN_TOPHASH)


# ---- the check -------------------------------------------------------------------------------------------------------


def hash_words(words: npt.NDArray[np.uint64], hash_key: tuple[int, int, int, int]) -> npt.NDArray[np.uint64]:
    """The keyed hash of 64-bit words, in NumPy. Source: see ``_hash.pxd``."""
    offset, *multipliers = (np.uint64(k) for k in hash_key)
    x = words ^ offset
    for multiplier, shift in zip(multipliers, (32, 29, 32), strict=True):
        x = x * multiplier
        x ^= x >> np.uint64(shift)
    return x


def siphash13(message: bytes, k0: int, k1: int) -> int:
    """SipHash-1-3 of one message, in Python. Source: see ``_hash.pxd``.

    >>> hex(siphash13(b"", 0, 0))
    '0xd1fba762150c532c'
    """
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    words = [int.from_bytes(padded[start : start + 8], "little") for start in range(0, len(padded), 8)]
    return int(_siphash13_of_words(words, k0, k1))


def siphash13_many(messages: list[bytes], k0: int, k1: int) -> npt.NDArray[np.uint64]:
    """SipHash-1-3 of many messages: those of one length at once, word by word."""
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
    """The hash of a padded message: its words are ints, or arrays of uint64 for many messages of one length."""
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
    """The bytes of a text in a slot, a record of dtype TEXT."""
    size = int(text["size"])
    if size <= INLINE_TEXT:
        return bytes(text.tobytes()[4 : 4 + size])
    block, offset = divmod(int(text["where"]), 1 << OFFSET_BITS)
    if block >= len(raw.texts.blocks) or offset + size > len(raw.texts.blocks[block]):
        raise CorruptMapError(f"a text of {size} bytes at {offset} of arena block {block} is outside the arena")
    return bytes(raw.texts.blocks[block][offset : offset + size])


def key_hashes(raw: RawTable, slots: npt.NDArray[Any], full: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """The hash of each full slot's key, computed anew; 0 for the other slots."""
    hashes = np.zeros(full.shape, np.uint64)
    form = raw.key_codec.form
    if form.startswith("word"):
        words = np.ascontiguousarray(slots["key"]).view(f"u{raw.key_codec.size}").astype(np.uint64)
        return np.where(full, hash_words(words, raw.hash_key), hashes)
    keys = slots["key"][full]
    if form == "text":
        texts = [text_bytes(raw, key) for key in keys]
        if raw.hash_name == "xxh64":
            digests = np.array([xxhash.xxh64_intdigest(text) for text in texts], np.uint64)
            hashes[full] = hash_words(digests, raw.hash_key)
        else:
            hashes[full] = siphash13_many(texts, raw.hash_key[0], raw.hash_key[1])
    else:
        numbers = [hash(raw.key_objects[index]) & 0xFFFFFFFFFFFFFFFF for index in keys["index"].tolist()]
        hashes[full] = hash_words(np.array(numbers, np.uint64), raw.hash_key)
        if not np.array_equal(hashes[full], keys["hash"]):
            raise CorruptMapError("an object key has another hash than when it was inserted")
    return hashes


def tophashes(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """The tophash of each hash: its top 8 bits, plus 5 if below 5."""
    top = (hashes >> np.uint64(56)).astype(np.uint8)
    return np.where(top < MIN_TOPHASH, top + MIN_TOPHASH, top).astype(np.uint8)


def check(raw: RawTable) -> None:
    """Walk every invariant of a table and raise :class:`CorruptMapError` naming the first that is broken."""
    _check_sizes(raw)
    full = _check_array(raw, raw.now, "buckets", np.ones(raw.now.nmain, bool))
    if raw.old:
        evacuated = _is_evacuated(raw.old.tophash[: raw.old.nmain, 0])
        _check_evacuation(raw, raw.old, evacuated)
        full += _check_array(raw, raw.old, "oldbuckets", ~evacuated)
    if full != raw.count:
        raise CorruptMapError(f"count is {raw.count}, but {full} slots are full")
    _check_texts_and_objects(raw)


def _check_sizes(raw: RawTable) -> None:
    if raw.now.nmain != 1 << raw.B:
        raise CorruptMapError(f"B is {raw.B}, but there are {raw.now.nmain} main buckets")
    if raw.old:
        same_size, doubling = raw.old.nmain == raw.now.nmain, raw.old.nmain * 2 == raw.now.nmain
        shrinking = raw.now.nmain < raw.old.nmain <= raw.now.nmain * 4
        if bool(raw.flags & SAME_SIZE_GROW) != same_size or not (same_size or doubling or shrinking):
            raise CorruptMapError(f"{raw.old.nmain} old main buckets cannot grow to {raw.now.nmain}")
    if not raw.old and raw.count > SLOTS and raw.count > 13 * (raw.now.nmain // 2):
        raise CorruptMapError(f"{raw.count} keys in {raw.now.nmain} buckets, and no growth has begun")


def _check_evacuation(raw: RawTable, old: RawBuckets, evacuated: npt.NDArray[np.bool_]) -> None:
    if not evacuated[: raw.nevacuate].all():
        bucket = int(evacuated[: raw.nevacuate].argmin())
        raise CorruptMapError(f"old bucket {bucket} is below nevacuate = {raw.nevacuate} but not evacuated")
    depth, main = _check_links(old, "oldbuckets")
    marks = (old.tophash >= EVACUATED_X) & (old.tophash <= EVACUATED_EMPTY)
    wrong = (marks != evacuated[main][:, None]).any(1) & (depth > 0)
    if wrong.any():
        raise CorruptMapError(f"oldbuckets row {int(wrong.argmax())} is evacuated in part")
    arrived = _chain_shares(raw)[0] > 0
    early = ~arrived & (raw.now.tophash[: raw.now.nmain, 0] != EMPTY_REST)
    if early.any():
        raise CorruptMapError(f"buckets row {int(early.argmax())} is in use before its old bucket was evacuated")


def _check_links(array: RawBuckets, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each overflow row is linked to from exactly one row, or free, and every chain ends. Returns ``_chains``."""
    rows = len(array.tophash)
    free = _free_rows(array, name)
    links = array.overflow.astype(np.int64)
    links[free] = 0
    links = np.concatenate([links[links != 0], free])
    outside = (links < array.nmain) | (links >= rows)
    if outside.any():
        raise CorruptMapError(
            f"{name}: a link to row {int(links[outside][0])}; overflow rows are {array.nmain} to {rows}"
        )
    used = np.bincount(links, minlength=rows)[array.nmain :]
    if (used != 1).any():
        row = int((used != 1).argmax())
        raise CorruptMapError(f"{name}: overflow row {array.nmain + row} is linked to {int(used[row])} times")
    # One link into each overflow row and none into a main row: chains from main rows end, what they miss is a ring.
    depth, main = _chains(array)
    lost = depth == 0
    lost[free] = False
    if lost.any():
        raise CorruptMapError(f"{name}: overflow row {int(lost.argmax())} is reached from no main bucket")
    return depth, main


def _free_rows(array: RawBuckets, name: str) -> npt.NDArray[np.int64]:
    """The free overflow rows, in the order in which they will be taken."""
    rows: list[int] = []
    row = array.free_row
    while row != 0:
        if not array.nmain <= row < len(array.tophash):
            raise CorruptMapError(f"{name}: free row {row} is no overflow row")
        if len(rows) == array.nfree:
            raise CorruptMapError(f"{name}: {array.nfree} free rows are counted, but more are linked")
        if array.tophash[row].any():
            raise CorruptMapError(f"{name}: free row {row} holds keys")
        rows.append(row)
        row = int(array.overflow[row])
    if len(rows) != array.nfree:
        raise CorruptMapError(f"{name}: {array.nfree} free rows are counted, but {len(rows)} are linked")
    return np.array(rows, np.int64)


def _check_array(raw: RawTable, array: RawBuckets, name: str, live: npt.NDArray[np.bool_]) -> int:
    """Check the chains of the main buckets that are live; returns the number of full slots in them."""
    depth, main = _check_links(array, name)
    empty = (depth > 1) & ~array.tophash.any(1) & live[main]
    if empty.any():
        raise CorruptMapError(f"{name}: overflow row {int(empty.argmax())} is empty but in a chain")
    linked = (array.overflow != 0) & (depth > 0)
    after = np.where(linked, array.tophash[array.overflow.astype(np.int64), 0], EMPTY_REST)
    full_slots = 0
    for start in range(0, len(main), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, len(main))
        tophash = array.tophash[start:stop]
        rows_live = live[main[start:stop]]
        full = (tophash >= MIN_TOPHASH) & rows_live[:, None]
        _check_states(tophash, after[start:stop], rows_live, name, start)
        slots = array.slots[start:stop]
        hashes = key_hashes(raw, slots, full)
        buckets = np.broadcast_to(main[start:stop, None], full.shape)
        _expect(full, tophashes(hashes) == tophash, name, start, "has a tophash that is not its key's")
        _expect(full, (hashes & np.uint64(array.nmain - 1)) == buckets, name, start, "belongs to another bucket")
        if raw.key_codec.form.startswith("word") and np.issubdtype(raw.key_codec.dtype, np.floating):
            numbers = np.ascontiguousarray(slots["key"])
            bits = numbers.view(f"u{numbers.dtype.itemsize}")
            nan = bits == CANONICAL_NAN[numbers.dtype.itemsize]
            canonical = np.where(np.isnan(numbers), nan, (numbers != 0) | (bits == 0))
            _expect(full, canonical, name, start, "has a NaN or zero that is not canonical")
        empty = rows_live[:, None] & (tophash <= EMPTY_ONE)
        stored = slots.view(np.uint8).reshape(*slots.shape, -1)
        clean = (stored == 0).all(-1)
        _expect(empty, clean, name, start, "is empty but not zeroed")
        full_slots += int(full.sum())
    if raw.key_codec.form.startswith("word"):
        _check_unique(array, live[main], name)
    return full_slots


def _check_states(
    tophash: npt.NDArray[np.uint8],
    after: npt.NDArray[np.uint8],
    rows_live: npt.NDArray[np.bool_],
    name: str,
    start: int,
) -> None:
    marked = (tophash >= EVACUATED_X) & (tophash < MIN_TOPHASH)
    _expect(rows_live[:, None] & marked, ~marked, name, start, "is marked evacuated in a live bucket")
    following = np.concatenate([tophash[:, 1:], after[:, None].astype(np.uint8)], axis=1)
    rest = rows_live[:, None] & (tophash == EMPTY_REST)
    _expect(rest, following == EMPTY_REST, name, start, "is EMPTY_REST, but the slot behind it is not")
    last = rows_live[:, None] & (tophash == EMPTY_ONE)
    _expect(last, following != EMPTY_REST, name, start, "is EMPTY_ONE, but nothing follows it")


def _check_texts_and_objects(raw: RawTable) -> None:
    """Every long text's bytes are accounted for, each object's place is referred to once, and no key is twice."""
    arrays = [raw.now, raw.old] if raw.old else [raw.now]
    full = np.concatenate([array.slots[array.tophash >= MIN_TOPHASH] for array in arrays])
    for codec, field, objects in (
        (raw.key_codec, "key", raw.key_objects),
        (raw.value_codec, "value", raw.value_objects),
    ):
        if codec.form == "object":
            index = full[field]["index"] if field == "key" else full[field]
            if len(np.unique(index)) != len(index) or (len(index) and index.max() >= len(objects)):
                raise CorruptMapError(f"the indices of the {field} objects are not all different or too large")
    texts = [
        full[field] for codec, field in ((raw.key_codec, "key"), (raw.value_codec, "value")) if codec.form == "text"
    ]
    live = sum(int(part["size"][part["size"] > INLINE_TEXT].sum()) for part in texts)
    if live != raw.texts.live:
        raise CorruptMapError(f"texts of {live} bytes are in use, but {raw.texts.live} are accounted for")
    for part in texts:
        stored = [text_bytes(raw, text) for text in part]
        if part is texts[0] and raw.key_codec.form == "text" and len(set(stored)) != len(stored):
            raise CorruptMapError("a text key is in two slots")


def _check_unique(array: RawBuckets, rows_live: npt.NDArray[np.bool_], name: str) -> None:
    """Equal keys share a bucket, so a sort of all keys finds every duplicate."""
    keys = array.slots["key"][(array.tophash >= MIN_TOPHASH) & rows_live[:, None]]
    keys = np.sort(keys.view(f"u{keys.dtype.itemsize}"))
    twice = keys[1:] == keys[:-1]
    if twice.any():
        key = keys[1:][twice][:1].view(array.slots.dtype["key"]).item()
        raise CorruptMapError(f"{name}: key {key!r} is in two slots")


def _expect(where: npt.NDArray[np.bool_], holds: npt.NDArray[np.bool_], name: str, start: int, complaint: str) -> None:
    broken = where & ~holds
    if broken.any():
        row, slot = divmod(int(broken.argmax()), SLOTS)
        raise CorruptMapError(f"{name} row {start + row} slot {slot} {complaint}")
