"""The check of every invariant of a table.

Owns the list of invariants. The check is independent of the kernels: it has its own hash functions (``hashes``), and
walks all chains of the table at once, one link per step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyhmap._convert.numbers import CANONICAL_NAN
from pyhmap._inspect.hashes import key_hashes, texts_bytes, tophashes
from pyhmap._inspect.state import (
    EMPTY_ONE,
    EMPTY_REST,
    EVACUATED_EMPTY,
    EVACUATED_X,
    INLINE_TEXT,
    MIN_TOPHASH,
    SAME_SIZE_GROW,
    SLOTS,
    RawBuckets,
    RawTable,
    chains,
    is_evacuated,
)
from pyhmap._inspect.stats import chain_shares
from pyhmap.errors import CorruptMapError

BLOCK_ROWS = 1 << 16  # rows checked at once: 8 MiB of slots of 16 bytes, so that a check needs little memory


def check(raw: RawTable) -> None:
    """Check every invariant of a table. Raises :class:`CorruptMapError`, which names the first that is broken."""
    _check_sizes(raw)
    full = _check_array(raw, raw.now, "buckets", np.ones(raw.now.nmain, bool))
    if raw.old:
        evacuated = is_evacuated(raw.old.tophash[: raw.old.nmain, 0])
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
    arrived = chain_shares(raw)[0] > 0
    early = ~arrived & (raw.now.tophash[: raw.now.nmain, 0] != EMPTY_REST)
    if early.any():
        raise CorruptMapError(f"buckets row {int(early.argmax())} is in use before its old bucket was evacuated")


def _check_links(array: RawBuckets, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Check that each overflow row is linked to once, or free, and that every chain ends. Returns ``chains()``."""
    rows = len(array.tophash)
    free = free_rows(array, name)
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
    # Overflow rows have one link to them and main rows none: chains from main rows end, and all others are rings.
    depth, main = chains(array)
    lost = depth == 0
    lost[free] = False
    if lost.any():
        raise CorruptMapError(f"{name}: overflow row {int(lost.argmax())} is reached from no main bucket")
    return depth, main


def free_rows(array: RawBuckets, name: str) -> npt.NDArray[np.int64]:
    """The free overflow rows, in the order of their list: the next to be used first."""
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
    """Check the chains of the live main buckets (``live``, per main bucket). Returns the number of their full slots."""
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
    """Check the number of live bytes in the arena, that slots share no object, and that no text key is in two slots."""
    arrays = [raw.now, raw.old] if raw.old else [raw.now]
    full = [array.tophash >= MIN_TOPHASH for array in arrays]
    live = 0
    for codec, field, objects in (
        (raw.key_codec, "key", raw.key_objects),
        (raw.value_codec, "value", raw.value_objects),
    ):
        held = [array.slots[field] for array in arrays]
        if codec.form == "object":
            places = [part["index"] for part in held] if field == "key" else held
            index = np.concatenate([part[where] for part, where in zip(places, full, strict=True)])
            if len(np.unique(index)) != len(index) or (len(index) and index.max() >= len(objects)):
                raise CorruptMapError(f"the indices of the {field} objects are not all different or too large")
        if codec.form == "text":
            stored = []
            for part, where in zip(held, full, strict=True):
                stored += texts_bytes(raw, part[where])
            live += sum(len(text) for text in stored if len(text) > INLINE_TEXT)
            if field == "key" and len(set(stored)) != len(stored):
                raise CorruptMapError("a text key is in two slots")
    if live != raw.texts.live:
        raise CorruptMapError(f"texts of {live} bytes are in use, but {raw.texts.live} are accounted for")


def _check_unique(array: RawBuckets, rows_live: npt.NDArray[np.bool_], name: str) -> None:
    """Check that no word key is in two slots, by sorting the keys."""
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
