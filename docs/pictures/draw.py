"""Draws the pictures of the pages, those of tables from the state of a real map: `python docs/pictures/draw.py`.

They lie inline in a page, so that colours come from it: they fit a light page and a dark one, and a telephone is as
wide as they are. The maps have a seed, so the same pictures come out again.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pyhmap import HMap
from pyhmap.introspect import hash_words

WIDTH, CELL = 360, 17  # the width of a telephone without its margins; a slot in a table, in pixels
ACCENT = "var(--color-brand-content, #2757dd)"
STATES = {2: "X", 3: "Y"}  # of an evacuated slot


def text(
    x: float, y: float, what: object, size: int = 12, *, anchor: str = "start", fixed: bool = False, mark: bool = False
) -> str:
    """Text of a fixed width is for bytes and keys."""
    family = ' font-family="monospace"' if fixed else ""
    fill = ACCENT if mark else "currentColor"
    weight = ' font-weight="bold"' if mark else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{family}{weight}'
        f' style="fill:{fill}">{what}</text>'
    )


def cell(x: float, y: float, width: float, height: float, *, full: float = 0, mark: bool = False) -> str:
    """A box, filled as much as ``full`` says (0 to 1)."""
    colour = ACCENT if mark else "currentColor"
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" stroke-width="{2 if mark else 1}"'
        f' style="fill:{colour};fill-opacity:{full:g};stroke:{colour};stroke-opacity:{1 if mark else 0.45}"/>'
    )


def arrow(path: str, x: float, y: float, toward: str) -> str:
    """A line, and its head at (x, y)."""
    head = {"down": f"{x - 4},{y - 6} {x + 4},{y - 6}", "left": f"{x + 6},{y - 4} {x + 6},{y + 4}"}
    head["right"] = f"{x - 6},{y - 4} {x - 6},{y + 4}"
    return (
        f'<path d="{path}" fill="none" stroke-width="1.5" style="stroke:{ACCENT}"/>'
        f'<polygon points="{x},{y} {head[toward]}" style="fill:{ACCENT}"/>'
    )


def picture(title: str, height: int, parts: Iterable[str]) -> str:
    """The whole SVG. The title is what a screen reader says."""
    lines = "\n".join(parts)
    return (
        f'<svg class="picture" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}"'
        f' font-family="sans-serif" xmlns="http://www.w3.org/2000/svg">\n<title>{title}</title>\n{lines}\n</svg>\n'
    )


def slots(x: float, y: float, tophash: np.ndarray, *, mark: bool = False) -> Iterable[str]:
    """The eight slots of a bucket: filled when full, with an X or Y when their key has moved there."""
    for i, byte in enumerate(tophash):
        yield cell(x + i * CELL, y, CELL - 2, CELL - 2, full=0.75 if byte >= 5 else 0, mark=mark)
        if byte in STATES:
            yield text(x + i * CELL + CELL / 2 - 1, y + CELL - 5.5, STATES[byte], 10, anchor="middle", fixed=True)


def bucket() -> str:
    m = HMap(np.int64, np.float64, {17: 0.5, 4: 0.1, 9: 0.2, 2: 0.3, 30: 0.7}, seed=1)
    del m[9]
    row = m._state().now

    def parts() -> Iterable[str]:
        wide = (WIDTH - 8) / 8
        yield text(4, 14, "tophash: a byte per slot, 8 bytes side by side")
        yield text(4, 76, "slots: a key and its value, side by side")
        yield text(4, 166, "overflow: the row of the next bucket")
        for i, byte in enumerate(row.tophash[0]):
            x, full = 4 + i * wide, byte >= 5
            yield cell(x, 20, wide - 2, 28, full=0.12 if full else 0)
            yield text(x + wide / 2 - 1, 39, f"{byte:02x}", 13, anchor="middle", fixed=True, mark=bool(full))
            yield cell(x, 82, wide - 2, 46, full=0.12 if full else 0)
            if full:
                yield text(x + wide / 2 - 1, 101, row.slots["key"][0, i], 13, anchor="middle", fixed=True, mark=True)
                yield text(x + wide / 2 - 1, 119, row.slots["value"][0, i], 12, anchor="middle", fixed=True)
        yield cell(4, 172, wide - 2, 28)
        yield text(4 + wide / 2 - 1, 191, row.overflow[0], 13, anchor="middle", fixed=True)
        yield text(54, 191, "0: there is none")
        yield text(4, 226, "01: empty, but full slots may follow (9 was here)")
        yield text(4, 244, "00: empty, and so is all that follows")

    return picture("A bucket: eight tophashes, eight slots, and a link", 254, parts())


def look_up() -> str:
    m = HMap(np.int64, np.int64, {key: key * key for key in range(45)}, seed=5)
    m.finish_growth()
    raw, key = m._state(), 10
    h = int(hash_words(np.array([key], np.uint64), raw.hash_key)[0])
    row = h & (raw.now.nmain - 1)
    tophash = raw.now.tophash[row]
    at = int(np.flatnonzero(raw.now.slots["key"][row] == key)[0])
    digits = f"{h:016x}"
    assert int(digits[:2], 16) == tophash[at]

    def parts() -> Iterable[str]:
        yield text(4, 14, f"m[{key}]: 1. hash the key")
        for i, digit in enumerate(digits):
            yield text(16 + i * 21, 42, digit, 17, anchor="middle", fixed=True, mark=i < 2 or i == 15)
        yield text(4, 64, "top 8 bits: tophash", mark=True)
        yield text(WIDTH - 4, 64, f"low {raw.B} bits: bucket {row}", anchor="end", mark=True)
        right, y = 66 + 8 * CELL, 111 + row * CELL
        yield arrow(f"M331,72 V96 H{right + 10} V{y} H{right + 6}", right, y, "left")
        yield text(4, 92, "2. go to the bucket")
        for i in range(raw.now.nmain):
            y = 103 + i * CELL
            yield text(48, y + 12, i, 12, anchor="end", mark=i == row)
            yield from slots(58, y, raw.now.tophash[i], mark=i == row)
        y = 120 + raw.now.nmain * CELL
        wide = (WIDTH - 8) / 8
        yield text(4, y + 12, "3. match all eight tophashes in one step")
        for i, byte in enumerate(tophash):
            yield cell(4 + i * wide, y + 20, wide - 2, 28, full=0.12 if byte >= 5 else 0, mark=i == at)
            yield text(
                4 + i * wide + wide / 2 - 1, y + 39, f"{byte:02x}", 13, anchor="middle", fixed=True, mark=i == at
            )
        middle = 4 + at * wide + wide / 2 - 1
        yield arrow(f"M{middle:g},{y + 48} V{y + 64}", middle, y + 70, "down")
        left = min(max(middle - 60, 4), WIDTH - 124)
        yield cell(left, y + 70, 120, 28, full=0.12, mark=True)
        value = raw.now.slots["value"][row, at]
        yield text(left + 60, y + 89, f"{key} → {value}", 13, anchor="middle", fixed=True, mark=True)
        yield text(4, y + 116, "4. compare the key of the slot that matched")

    return picture("A look-up: from the hash to a bucket, to the matching tophash, to the slot", 380, parts())


def chains() -> str:
    m = HMap(np.int64, np.int64, {key: key for key in range(52)}, seed=3)
    m.finish_growth()
    table = m._state().now

    def parts() -> Iterable[str]:
        yield text(4, 14, f"main buckets: 2^{m.header().B}")
        place = {}
        for row in range(len(table.tophash)):
            y = 24 + row * CELL + (30 if row >= table.nmain else 0)
            place[row] = y + CELL / 2 - 1
            yield text(42, y + 12, row, 12, anchor="end")
            yield from slots(52, y, table.tophash[row])
        yield text(4, 24 + table.nmain * CELL + 22, "overflow buckets")
        right = 52 + 8 * CELL
        for step, row in enumerate(np.flatnonzero(table.overflow)):
            end, out = place[table.overflow[row]], right + 24 + 18 * step
            yield arrow(f"M{right + 2},{place[row]:g} H{out} V{end:g} H{right + 8}", right + 2, end, "left")

    height = 24 + len(table.tophash) * CELL + 36
    return picture("Chains: full main buckets lead to overflow buckets", height, parts())


def growth() -> str:
    m = HMap(np.int64, np.int64, seed=3)
    key = 0
    while m.header().oldbuckets < 8 or m.header().nevacuate < 4:
        m[key] = key
        key += 1
    raw = m._state()
    old, new = raw.old, raw.now
    assert old is not None
    moved = 1

    def parts() -> Iterable[str]:
        right = WIDTH - 8 * CELL - 2
        yield text(4, 14, f"old array: {old.nmain} buckets")
        yield text(right, 14, f"new array: {new.nmain} buckets")
        for row in range(old.nmain):
            yield text(14, 36 + row * CELL, row, 11, anchor="end", mark=row == moved)
            yield from slots(18, 24 + row * CELL, old.tophash[row])
        mark = 23 + raw.nevacuate * CELL
        yield f'<path d="M0,{mark} H{20 + 8 * CELL}" stroke-width="2" stroke-dasharray="4 3" style="stroke:{ACCENT}"/>'
        below = 46 + (moved + old.nmain) * CELL + 20
        yield text(4, below, "dashed: evacuation mark", mark=True)
        yield text(4, below + 22, "X: the key is now in the row")
        yield text(4, below + 38, "of the same number")
        yield text(4, below + 60, f"Y: of that number + {old.nmain}")
        for row in range(new.nmain):
            yield text(right - 6, 36 + row * CELL, row, 11, anchor="end", mark=row in (moved, moved + old.nmain))
            yield from slots(right, 24 + row * CELL, new.tophash[row])
        start, far = 18 + 8 * CELL, right - 22
        y = 32 + moved * CELL
        yield arrow(f"M{start},{y} H{far - 4}", far, y, "right")
        there = 32 + (moved + old.nmain) * CELL
        yield arrow(f"M{start},{y + 3} H{start + 13} V{there} H{far - 4}", far, there, "right")

    return picture(
        "Growth: the old buckets move to the new array, a few at each write", 24 + new.nmain * CELL + 6, parts()
    )


def sharing() -> str:
    wide = 100

    def box(x: float, y: float, name: str, *, width: float = wide, mark: bool = False) -> Iterable[str]:
        yield cell(x, y, width, 30, full=0.12, mark=mark)
        yield text(x + width / 2, y + 20, name, 12, anchor="middle", mark=mark)

    def parts() -> Iterable[str]:
        middle = WIDTH / 2
        yield from box(middle - 50, 4, "publisher")
        yield arrow(f"M{middle:g},34 V44 H265 V54", 265, 60, "down")
        yield text(4, 50, "a new file for each version")
        yield from box(20, 60, "version 1", width=150)
        yield from box(190, 60, "version 2", width=150, mark=True)
        yield text(95, 106, "held for as long", anchor="middle")
        yield text(95, 121, "as somebody reads it", anchor="middle")
        yield text(265, 106, "in memory once", anchor="middle", mark=True)
        for i, x in enumerate((4, 130, 256)):
            start = 95 if i == 0 else 265
            yield arrow(f"M{start},128 V140 H{x + wide / 2:g} V150", x + wide / 2, 156, "down")
            yield from box(x, 156, f"worker {i + 1}", mark=i > 0)
        yield text(middle, 204, "Worker 1 is in the middle of a piece of work.", anchor="middle")

    return picture("Workers map the files that a publisher writes", 212, parts())


PICTURES = {"bucket": bucket, "look-up": look_up, "chains": chains, "growth": growth, "sharing": sharing}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (Path(__file__).parent / f"{name}.svg").write_text(draw(), encoding="utf-8")
