"""Damaged and hostile files: a clear error, or, for what was not verified, a wrong or missing answer. Nothing worse."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyhmap
from file_support import INDEXES, MAPS, header_in, read_in_all_ways, rewritten, tensors_of
from pyhmap import CorruptMapError, FileFormatError, FrozenMap, HIndex, HMap
from pyhmap._file.header import BLOCK, PAGE
from pyhmap._file.types import type_of_text, type_text

SAVED = MAPS | INDEXES
saved = pytest.mark.parametrize("make", SAVED.values(), ids=SAVED)
VERIFY = ["header", "structure", "lazy", "full"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "saved.pyhmap"


def refused(path, match=None, verify="header"):
    with pytest.raises(FileFormatError, match=match) as caught:
        pyhmap.open(path, verify=verify)
    assert str(path) in str(caught.value)


# ---- the whole file --------------------------------------------------------------------------------------------------


def test_no_file_of_this_format(path):
    for data in (b"", b"x", b"\x89PNG\r\n\x1a\n" * 1000, bytes(5000), b"\xff" * 5000, b"PK\3\4" + bytes(5000)):
        path.write_bytes(data)
        refused(path, "it is no file of pyhmap")
    with pytest.raises(FileNotFoundError):
        pyhmap.open(path.with_name("missing"))
    refused(path.parent, "is no regular file")


def test_a_pipe_is_no_file_and_nobody_waits_for_it(path):
    os.mkfifo(path)
    refused(path, "is no regular file")


@saved
def test_every_truncation(path, make):
    make().save(path)
    data = path.read_bytes()
    sections = header_in(path).sections()
    near = {at + d for section in sections.values() for at in section for d in (-1, 0, 1)}
    for size in sorted({*range(64), *range(0, len(data), 997), *near, len(data) - 1} - {len(data), len(data) + 1}):
        path.write_bytes(data[:size])
        refused(path)
    path.write_bytes(data + b"\0")
    refused(path, f"it has {len(data) + 1:,} bytes, and its header says {len(data):,}")


@pytest.mark.parametrize("make", ["texts", "index of records"])
def test_every_bit_of_the_header(path, make, in_short_form):
    """In the short form, one bit of each byte."""
    SAVED[make]().save(path)
    data = bytearray(path.read_bytes())
    written = int.from_bytes(data[:8], "little")
    text = len(data[8 : 8 + written].rstrip())
    for at in [*range(8 + text + 2), 8 + written - 1]:
        for bit in [at % 8] if in_short_form else range(8):
            data[at] ^= 1 << bit
            path.write_bytes(data)
            refused(path)
            data[at] ^= 1 << bit


def test_a_later_version_names_the_release_to_install(path):
    MAPS["ints"]().save(path)
    data = path.read_bytes().replace(b'"format_version":"1"', b'"format_version":"2"')
    path.write_bytes(data)
    refused(path, "'pyhmap .*' wrote it in version 2 of the format, and this release, .*, reads version 1")


@pytest.mark.parametrize("verify", VERIFY)
def test_random_flips(path, verify):
    rng = random.Random(f"{verify} 1")
    for make in SAVED.values():
        f = make()
        f.save(path)
        data = path.read_bytes()
        asked = [*list(f)[:20], *([12345] if f.key_dtype == np.int64 else [])]
        for _ in range(60):
            damaged = bytearray(data)
            for _ in range(rng.choice([1, 1, 5, 200])):
                damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            try:
                g = pyhmap.open(path, verify=verify)
            except FileFormatError:
                continue
            assert verify != "full" or damaged == data
            read_in_all_ways(g, asked)


# ---- what each level finds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "section"),
    [(make, section) for make in ("ints", "texts") for section in ("entries", "index", "checksums")]
    + [(make, section) for make in ("index of ints", "index of texts") for section in ("entries", "index", "rows")]
    + [("texts", "texts"), ("index of texts", "texts")],
)
def test_what_verification_finds(path, make, section):
    f = SAVED[make]()
    f.save(path)
    end = header_in(path).sections()[section].end
    data = bytearray(path.read_bytes())
    data[end - 1] ^= 1  # of entries: a value; of the index: a pilot
    path.write_bytes(data)
    refused(path, "is damaged", "full")
    with pytest.raises(FileFormatError, match="is damaged"):
        pyhmap.check_file(path)
    read_in_all_ways(pyhmap.open(path, verify="header"), list(f)[:5])
    if section in ("index", "rows", "checksums"):
        refused(path, "is damaged", "lazy")
    else:
        with pytest.raises(FileFormatError, match=r"is damaged between byte 4,096 and byte .*\. Write it again"):
            list(pyhmap.open(path, verify="lazy"))


def in_blocks(f, path):
    """The block in which each row of a map of int64 pairs lies, and not partly in another."""
    assert header_in(path).sections()["entries"].begin % PAGE == 0
    return np.arange(len(f)) * 16 // BLOCK


def test_lazy_verification_reads_the_blocks_that_are_read(path):
    f = FrozenMap.from_arrays(np.arange(300_000), np.arange(300_000) * 2, seed=1)
    f.save(path)
    begin = header_in(path).sections()["entries"].begin
    with path.open("r+b") as file:
        file.seek(begin + 2 * BLOCK + 5)
        file.write(b"\xee")
    g = pyhmap.open(path, verify="lazy")
    keys, block = f.keys_array(), in_blocks(f, path)
    good, bad = keys[np.isin(block, [0, 1, 3])], keys[block == 2]
    assert np.array_equal(g.get_many(good), good * 2)
    assert np.array_equal(g.get_many(good, threads=2), good * 2)
    assert [g[int(key)] for key in good[::5000]] == (good[::5000] * 2).tolist()
    damaged = f"is damaged between byte {begin + 2 * BLOCK:,} and byte {begin + 3 * BLOCK:,}"
    for read in (
        lambda: g[int(bad[0])],
        lambda: int(bad[1]) in g,
        lambda: g.get(int(bad[2])),
        lambda: g.get_many([good[0], bad[3]]),
        lambda: g.positions(bad[:4]),
        lambda: g.contains_many(bad[:1]),
        lambda: g.keys_array(),
        lambda: list(g),
        lambda: g.check(),
    ):
        with pytest.raises(FileFormatError, match=damaged):
            read()
    assert np.array_equal(g.get_many(good), good * 2)


def test_lazy_verification_of_texts_reads_the_texts(path):
    words = [f"{i} " * 60 for i in range(30_000)]
    f = HMap(str, str, {word: word for word in words}).freeze(seed=1)
    f.save(path)
    begin, _ = header_in(path).sections()["texts"]
    stored = list(f)
    *before, middle = stored[: len(stored) // 2]
    with path.open("r+b") as file:
        file.seek(begin + 2 * sum(map(len, before)) + len(middle))  # its value
        file.write(b"\xee")
    g = pyhmap.open(path, verify="lazy")
    for good in (stored[:100], stored[-100:]):
        assert g[good[0]] == good[0]
        assert g.get_many(good).tolist() == good
    for read in (lambda: g[middle], lambda: g.get_many([stored[0], middle])):
        with pytest.raises(FileFormatError, match="is damaged between byte"):
            read()


def test_lazy_verification_of_an_index_reads_the_blocks_of_the_codes(path):
    labels = np.random.default_rng(1).permutation(300_000)
    f = HIndex("i8", labels).freeze(seed=1)
    f.save(path)
    begin = header_in(path).sections()["entries"].begin
    with path.open("r+b") as file:
        file.seek(begin + 2 * BLOCK + 5)
        file.write(b"\xee")
    g = pyhmap.open(path, verify="lazy")
    block = in_blocks(f._map, path)
    codes_in = [f.encode(f._map.keys_array()[block == at]) for at in range(block.max() + 1)]
    good, bad = np.concatenate([codes_in[at] for at in (0, 1, 3, 4)]), codes_in[2]
    assert [g.key(int(code)) for code in good[::5000]] == labels[good[::5000]].tolist()
    assert np.array_equal(g.decode(good), labels[good])
    assert np.array_equal(g.encode(labels[good]), good)
    damaged = f"is damaged between byte {begin + 2 * BLOCK:,} and byte {begin + 3 * BLOCK:,}"
    for read in (
        lambda: g.key(int(bad[0])),
        lambda: g.decode(bad[:1]),
        lambda: g.decode(np.concatenate([good, bad[:1]])),
        lambda: g.encode(labels[bad[:1]]),
        lambda: g[int(labels[bad[0]])],
        lambda: g.labels(),
        lambda: list(g),
        lambda: g.check(),
    ):
        with pytest.raises(FileFormatError, match=damaged):
            read()
    assert np.array_equal(g.decode(good), labels[good])


@pytest.mark.parametrize("section", ["index", "rows"])
def test_lazy_verification_begins_with_what_leads_to_the_rows(path, section):
    HIndex("i8", np.arange(300_000)).save(path)
    begin, end = header_in(path).sections()[section]
    for at in (begin, end - 1):
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)
        refused(path, "is damaged between byte", "lazy")
        data[at] ^= 1
        path.write_bytes(data)
    assert pyhmap.open(path, verify="lazy").key(299_999) == 299_999


def test_lazy_verification_of_an_index_of_texts_reads_the_texts(path):
    labels = [f"{i} " * 60 for i in range(30_000)]
    f = HIndex(str, labels).freeze(seed=1)
    f.save(path)
    begin, _ = header_in(path).sections()["texts"]
    stored = list(f._map)
    *before, middle = stored[: len(stored) // 2]
    with path.open("r+b") as file:
        file.seek(begin + sum(map(len, before)) + 7)
        file.write(b"\xee")
    g = pyhmap.open(path, verify="lazy")
    for good in (stored[:100], stored[-100:]):
        assert g.decode(f.encode(good), to="list") == good
        assert g.key(f[good[0]]) == good[0]
    for read in (lambda: g.key(f[middle]), lambda: g.decode([f[stored[0]], f[middle]])):
        with pytest.raises(FileFormatError, match="is damaged between byte"):
            read()


# ---- files by who wants to deceive -----------------------------------------------------------------------------------


def sections_of(path):
    data, sections = path.read_bytes(), header_in(path).sections()
    return {name: np.frombuffer(bytearray(data[begin:end]), np.uint8) for name, (begin, end) in sections.items()}


def test_a_remap_that_leads_outside_of_the_rows(path):
    f = MAPS["ints"]()
    f.save(path)
    index = sections_of(path)["index"]
    index[:4].view("u4")[0] = 2**32 - 1
    rewritten(path, {}, index=index)
    for verify in ("structure", "full"):
        refused(path, "item 0 of the remap leads outside of the rows", verify)
    for verify in ("header", "lazy"):
        read_in_all_ways(pyhmap.open(path, verify=verify), list(f))


ROWS = {  # of an index of 1000 keys
    "outside": ([7], 1000, "code 7 leads outside of the rows"),
    "far outside": ([0, 999], 2**32 - 1, "code 0 leads outside of the rows"),
    "that of another": ([3], 0, None),
    "all one": (range(1000), 5, None),
}


@pytest.mark.parametrize("make", ["index of ints", "index of 4-byte keys"])
@pytest.mark.parametrize("damage", ROWS)
def test_rows_of_codes_that_lead_elsewhere(path, make, damage):
    f = INDEXES[make]()
    f.save(path)
    keys, asked = f._map.keys_array(), list(f)
    codes, row, structure = ROWS[damage]
    rows = sections_of(path)["rows"].view("u4")
    wrong = [code for code in codes if rows[code] != row]
    rows[list(codes)] = row
    rewritten(path, {}, rows=rows)
    refused(path, structure or f"code {wrong[0]} does not lead to its key", "full")
    for verify in ("header", "lazy", "structure"):
        if verify == "structure" and structure:
            refused(path, structure, verify)
            continue
        g = pyhmap.open(path, verify=verify)
        assert np.array_equal(g.encode(asked), np.arange(1000))
        assert np.array_equal(g.decode(np.arange(1000)), keys[np.minimum(rows, 999)])
        assert [g.key(code) for code in wrong] == [keys[min(row, 999)]] * len(wrong)
        with pytest.raises(CorruptMapError, match=f"code {wrong[0]} does not lead to its key"):
            g.check()
        with pytest.raises(IndexError):
            g.decode([1000])
        read_in_all_ways(g, asked[:50])


@pytest.mark.parametrize("code", [-1, 5, 1000, 2**62, -(2**63)])
def test_an_index_whose_values_are_no_codes(path, code):
    f = INDEXES["index of ints"]()
    f.save(path)
    entries = sections_of(path)["entries"].view("i8").reshape(1000, 2)
    at = int((entries[:, 1] == 7).argmax())
    entries[at, 1] = code
    rewritten(path, {}, entries=entries)
    refused(path, "code 7 does not lead to its key", "full")
    for verify in ("header", "lazy", "structure"):
        g = pyhmap.open(path, verify=verify)
        assert g[int(entries[at, 0])] == code
        read_in_all_ways(g, list(f)[:50])


@pytest.mark.parametrize("verify", VERIFY)
def test_a_map_that_says_that_it_is_an_index(path, verify):
    MAPS["ints"]().save(path)  # its values are no codes
    data, header = path.read_bytes(), header_in(path)
    path.write_bytes(replace(header, kind="index").to_bytes() + data[len(header.to_bytes()) :])
    refused(path, "its header says", verify)  # there are no rows of codes
    path.write_bytes(data)
    rewritten(path, {"kind": "index"}, rows=np.arange(1000, dtype="u4"))
    if verify == "full":
        refused(path, "does not lead to its key", verify)
    else:
        read_in_all_ways(pyhmap.open(path, verify=verify), list(range(50)))


@pytest.mark.parametrize("verify", VERIFY)
@pytest.mark.parametrize("make", ["4-byte keys", "texts", "records"])
def test_an_index_with_values_of_another_type(path, make, verify):
    MAPS[make]().save(path)
    header = header_in(path)
    rewritten(path, {"kind": "index"}, rows=np.zeros(header.shape[0], "u4"))
    refused(path, f"its kind is index, and its values are {header.value}", verify)


@pytest.mark.parametrize("verify", VERIFY)
def test_an_index_that_says_that_it_is_a_map_or_a_set(path, verify):
    """A map from keys to codes is a map like any other."""
    f = INDEXES["index of texts"]()
    for kind in ("map", "set"):
        f.save(path)
        rewritten(path, {"kind": kind})
        if kind == "set":
            refused(path, "its kind is set, and its values are <i8", verify)
        else:
            assert type(pyhmap.open(path, verify=verify)) is FrozenMap
            assert pyhmap.open(path, verify=verify) == dict(f)


@pytest.mark.parametrize("pilots", ["random", "all 255"])
def test_any_pilots(path, pilots):
    f = MAPS["ints"]()
    f.save(path)
    index = sections_of(path)["index"]
    spare = 4 * (header_in(path).shape[2] - len(f))
    index[spare:] = 255 if pilots == "all 255" else np.random.default_rng(1).integers(0, 256, len(index) - spare)
    rewritten(path, {}, index=index)
    refused(path, "the key of row .* does not lead to it", "full")
    g = pyhmap.open(path)
    keys = f.keys_array()
    found = g.contains_many(keys)
    assert not found.all()
    assert np.array_equal(g.get_many(keys[found]), keys[found] * 3)


TEXT_DAMAGE = {  # fields of the first long text: bytes 0 to 3 are its size, 8 to 15 its place
    "a place behind the texts": (slice(8, 16), 2**40),
    "a place near the end of the address space": (slice(8, 16), 2**64 - 8),
    "a place in another block of an arena": (slice(8, 16), 1 << 48),
    "a size behind the texts": (slice(0, 4), 2**32 - 1),
    "a size that is one too large": (slice(0, 4), None),
    "the place of another": (slice(8, 16), 1),
}


@pytest.mark.parametrize("damage", TEXT_DAMAGE)
@pytest.mark.parametrize("at", [0, 16])
def test_texts_that_lie_elsewhere(path, at, damage):
    f = MAPS["texts"]()
    f.save(path)
    entries = sections_of(path)["entries"].reshape(len(f), 32)
    sizes = entries[:, at : at + 4].copy().view("u4").ravel()
    row = int((sizes > 12).argmax())
    where, number = TEXT_DAMAGE[damage]
    field = entries[row, at : at + 16][where]
    size = len(field)
    old = int.from_bytes(field.tobytes(), "little")
    field[:] = np.frombuffer((old + 1 if number is None else number).to_bytes(size, "little"), np.uint8)
    rewritten(path, {}, entries=entries)
    for verify in ("structure", "full"):
        refused(path, "a text of row .* is outside of the texts, or not where the one before it ends", verify)
    for verify in ("header", "lazy"):
        read_in_all_ways(pyhmap.open(path, verify=verify), list(f)[:50])


def test_many_texts_at_one_place_are_refused(path):
    f = MAPS["texts to ints"]()
    f.save(path)
    entries = sections_of(path)["entries"].reshape(len(f), 24)
    entries[:] = entries[0]
    rewritten(path, {}, entries=entries)
    refused(path, "a text of row 1 is outside of the texts", "structure")


HEADERS = {
    "more keys than slots": {"shape": (10**6, 1, 1114, 376)},
    "no parts": {"shape": (0, 0, 1114, 376)},
    "no buckets": {"shape": (1000, 1, 1114, 0)},
    "many parts": {"shape": (1000, 2**33, 1114, 376)},
    "products that overflow": {"shape": (1000, 2**32 - 1, 2**32 - 1, 2**32 - 1)},
    "rows that overflow": {"row_bytes": 2**62},
    "rows of no bytes": {"row_bytes": 0},
    "texts that overflow": {"text_bytes": 2**63},
    "texts of ints": {"text_bytes": 5},
    "another hash": {"hash": "siphash-1-3"},
    "another key type": {"key": "str"},
    "a key type that is none": {"key": "<i3"},
    "a key type with objects": {"key": "|O"},
    "a type to import": {"key": "os.system"},
    "a large value": {"value": "|V1048577"},
    "a huge value": {"value": "|V999999999999"},
    "nested types": {"value": "[" * 20000 + "]" * 20000},
    "a record with too few names": {"value": '{"names":["a"],"types":["<i8","<i8"],"offsets":[0,8],"size":16}'},
    "a record with fields outside of it": {"value": '{"names":["a"],"types":["<i8"],"offsets":[800],"size":8}'},
    "an array of many": {"value": '["<i8",[4294967296,4294967296]]'},
    "an array of less than none": {"value": '["<i8",[-1]]'},
    "a set with values": {"kind": "set"},
    "another type of the same size": {"key": "<M8[generic]"},
}


@pytest.mark.parametrize("changes", HEADERS.values(), ids=HEADERS)
def test_headers_that_deceive(path, changes):
    MAPS["ints"]().save(path)
    header = header_in(path)
    data = path.read_bytes()

    begin = len(header.to_bytes())
    changed = replace(header, **changes)
    path.write_bytes(changed.to_bytes() + data[begin:])
    for verify in VERIFY:
        refused(path, None, verify)


def test_a_header_that_says_the_same_in_another_way(path):
    MAPS["ints"]().save(path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    found = tensors_of(data)
    first, *others = found
    ways = {
        "spaces": json.dumps(found),
        "another order": json.dumps({name: found[name] for name in (*others, first)}, separators=(",", ":")),
        "a name twice": json.dumps(found, separators=(",", ":"))[:-1] + ',"x":0,"x":1}',
        "escapes": json.dumps(found, separators=(",", ":")).replace("pyhmap", "pyh\\u006dap"),
        "another section": json.dumps({**found, "more": found["texts"]}, separators=(",", ":")),
        "no metadata": json.dumps({name: found[name] for name in others}, separators=(",", ":")),
        "a list": "[]",
        "not closed": "{",
        "deep": "[" * 4000,
        "a long number": '{"__metadata__":{"count":' + "9" * 3900 + "}}",
    }
    for way in ways.values():
        path.write_bytes(data[:8] + way.encode().ljust(size) + data[8 + size :])
        refused(path)


def accepted_by_safetensors(data):
    safetensors = pytest.importorskip("safetensors")
    try:
        safetensors.deserialize(data)
    except (safetensors.SafetensorError, ValueError):
        return False
    return True


@given(st.data())
def test_what_this_package_reads_safetensors_reads(tmp_path_factory, data):
    """Ours may refuse more, never less."""
    path = tmp_path_factory.mktemp("oracle") / "f"
    data.draw(st.sampled_from(list(SAVED.values())))().save(path)
    content = bytearray(path.read_bytes())
    text = len(content[:PAGE].rstrip())
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, text))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    path.write_bytes(content)
    try:
        pyhmap.open(path, verify="header")
    except FileFormatError:
        return
    assert accepted_by_safetensors(bytes(content))


# ---- types -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    [
        "i1", "u8", "?", "f2", "c8", "c16", "M8[ns]", "M8[25s]", "m8[D]", "S0", "S7", "U3", "V0", "V5", ("f4", (2, 3)),
        [("a", "i4"), ("b", "S3")], [("a", "i4"), ("b", [("c", "f8", (2,)), ("d", "U2")])],
        {"names": ["x", "y"], "formats": ["i4", "i8"], "offsets": [4, 16], "itemsize": 40},
        np.dtype([("a", "i1"), ("ключ", "i4")], align=True),
    ],
)  # fmt: skip
def test_types_are_the_same_after_a_round_trip(dtype):
    dtype = np.dtype(dtype)
    found = type_of_text(type_text(dtype))
    assert found == dtype
    assert found.itemsize == dtype.itemsize


@pytest.mark.parametrize(
    "text",
    ["", "i8", ">i8", "<i16", "|O", "<f16", "object", "int", "<M8", "[]", "{}", "[1,2]", "{", '["<i8",[]]', "null"],
)
def test_other_texts_are_no_types(text):
    with pytest.raises(ValueError, match=r"is no type|is not how a type is written"):
        type_of_text(text)


# ---- while it is mapped ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["ints", "texts", "records", "index of ints", "index of texts", "index of records"])
def test_a_file_that_is_written_over_while_it_is_mapped(path, make):
    f = SAVED[make]()
    f.save(path)
    asked = list(f)[:50]
    g, copy = pyhmap.open(path, verify="full"), pyhmap.open(path, prefetch="copy")
    rng = np.random.default_rng(1)
    for _ in range(20):
        with path.open("r+b") as file:
            file.write(rng.integers(0, 256, path.stat().st_size, np.uint8).tobytes())
        read_in_all_ways(g, asked)
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    read_in_all_ways(g, asked)
    assert copy == f


CUT_OFF = """
    import os, sys
    import numpy as np
    import pyhmap
    path, prefetch = sys.argv[1], sys.argv[2] or None
    pyhmap.FrozenMap.from_arrays(np.arange(10_000), np.arange(10_000)).save(path)
    f = pyhmap.open(path, prefetch=prefetch)
    os.truncate(path, 4096)
    print(f.get_many(np.arange(10_000)).sum())
"""


@pytest.mark.release_only  # a sanitizer catches the signal
@pytest.mark.parametrize(("prefetch", "ends"), [("", -signal.SIGBUS), ("copy", 0)])
def test_a_file_that_is_cut_off_while_it_is_mapped(path, prefetch, ends):
    program = [sys.executable, "-P", "-c", textwrap.dedent(CUT_OFF), str(path), prefetch]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == ends
    assert done.stdout == ("49995000\n" if ends == 0 else "")
