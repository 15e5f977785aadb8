"""`python -m pyhmap inspect | check | stats`: what people and programs see, exit statuses, and refusals."""

import errno
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xxhash

import pyhmap
from command_support import COMMAND, as_on_screen, on_a_terminal, refused
from file_support import INDEXES, MAPS, header_in, rewritten, tensors_of
from pyhmap import FrozenMap, FrozenSet, HIndex, HMap, _system
from pyhmap._file.header import BLOCK, PAGE
from pyhmap._inspect.hashes import hash_words, siphash13_many
from pyhmap._reference.frozen import PerfectHash, Shape


def flip(path, at):
    """Damage one byte."""
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def ints(path="ints.pyhmap"):
    """1000 pairs of numbers, always the same file."""
    FrozenMap.from_arrays(np.arange(1000) - 10, np.arange(1000) * 0.5, seed=1).save(path)
    return path


def texts(path="texts.pyhmap"):
    """40 texts, ten of which are longer than 12 bytes."""
    keys = [f"{i:02}" for i in range(30)] + [f"{i:02} and some more" for i in range(10)]
    HMap(str, str, dict(zip(keys, ["é" * (1 + i % 10) for i in range(40)], strict=True))).freeze(seed=1).save(path)
    return path


def index(path="index.pyhmap"):
    """40 texts in an index, ten of which are longer than 12 bytes."""
    labels = [f"{i:02}" for i in range(30)] + [f"{i:02} and some more" for i in range(10)]
    HIndex(str, labels).freeze(seed=1).save(path)
    return path


def id_of(path):
    """The checksum of the header, by docs/format.md."""
    data = Path(path).read_bytes()
    header = bytearray(data[: 8 + int.from_bytes(data[:8], "little")])
    at = header.index(b'"checksum_of_header":"') + len('"checksum_of_header":"')
    header[at : at + 32] = b"0" * 32
    return xxhash.xxh3_128_hexdigest(bytes(header))


# ---- inspect ---------------------------------------------------------------------------------------------------------


def test_inspect(run):
    status, out, err = run("inspect", ints())
    assert (status, err) == (0, "")
    assert out == INSPECTED.format(version=pyhmap.__version__, id=id_of("ints.pyhmap"))


def test_inspect_of_an_index(run):
    status, out, err = run("inspect", index())
    assert (status, err) == (0, "")
    assert out == INSPECTED_INDEX.format(version=pyhmap.__version__, id=id_of("index.pyhmap"))


INSPECTED = """\
ints.pyhmap: a map from int64 to float64

keys        1,000
size        24,592 bytes, 24.59 per key
written by  pyhmap {version}, format version 1
id          {id}
hash        multiply-xorshift-3
rows        16 bytes each
parts       1, each of 1,114 slots and 376 buckets

section    offset   bytes  per key   share
header          0   4,096     4.10  16.7 %
entries     4,096  16,000    16.00  65.1 %
texts      20,480       0     0.00   0.0 %
index      20,480     832     0.83   3.4 %
checksums  24,576      16     0.02   0.1 %
padding             3,648     3.65  14.8 %
"""


INSPECTED_INDEX = """\
index.pyhmap: an index of str

keys        40
size        20,496 bytes, 512.40 per key
written by  pyhmap {version}, format version 1
id          {id}
hash        siphash-1-3
rows        24 bytes each
parts       1, each of 106 slots and 16 buckets

section    offset   bytes  per key   share
header          0   4,096   102.40  20.0 %
entries     4,096     960    24.00   4.7 %
texts       8,192     160     4.00   0.8 %
index      12,288     280     7.00   1.4 %
rows       16,384     160     4.00   0.8 %
checksums  20,480      16     0.40   0.1 %
padding            14,824   370.60  72.3 %
"""


@pytest.mark.parametrize("make", [ints, index])
def test_inspect_for_programs(run, make):
    path = make()
    status, out, err = run("inspect", "--json", path)
    assert (status, err) == (0, "")
    found = json.loads(out)
    size = os.path.getsize(path)
    sections = found.pop("sections")
    data = Path(path).read_bytes()
    tensors = tensors_of(data)
    metadata = tensors.pop("__metadata__")
    assert found == {
        "file": path,
        "format_version": 1,
        "bytes": size,
        "id": metadata["checksum_of_header"],
        **{name: metadata[name] for name in ("written_by", "kind", "key", "value", "hash")},
        **{name: int(metadata[name]) for name in ("count", "parts", "slots", "buckets", "row_bytes", "text_bytes")},
    }
    begin = 8 + int.from_bytes(data[:8], "little")
    offsets = {name: tensor["data_offsets"] for name, tensor in tensors.items()}
    expected = {name: (begin + at, end - at) for name, (at, end) in offsets.items()}
    padding = sum(size for name, (_, size) in expected.items() if name.endswith(".pad"))
    expected = {name: place for name, place in expected.items() if not name.endswith(".pad")}
    expected |= {"header": (0, begin), "padding": (None, padding)}
    assert {section["name"]: (section["offset"], section["bytes"]) for section in sections} == expected
    assert sum(section["bytes"] for section in sections) == size
    for section in sections:
        assert section["bytes_per_key"] == section["bytes"] / found["count"]
        assert section["share"] == section["bytes"] / size


@pytest.mark.parametrize("make", [*MAPS.values(), *INDEXES.values()], ids=[*MAPS, *INDEXES])
def test_inspect_shows_every_type(run, make):
    f = make()
    f.save("a.pyhmap")
    status, out, _ = run("inspect", "a.pyhmap")
    assert status == 0
    assert f"\nkeys        {len(f):,}\n" in out
    assert run("inspect", "--json", "a.pyhmap")[0] == 0


def test_inspect_of_a_set(run):
    FrozenSet.from_array(["a", "b"]).save("a.pyhmap")
    assert run("inspect", "a.pyhmap")[1].startswith("a.pyhmap: a set of str\n")
    found = json.loads(run("inspect", "--json", "a.pyhmap")[1])
    assert (found["kind"], found["key"], found["value"]) == ("set", "str", None)


def test_inspect_reads_only_the_header(run):
    ints()
    for at in range(PAGE, os.path.getsize("ints.pyhmap"), 100):
        flip("ints.pyhmap", at)
    assert run("inspect", "ints.pyhmap")[0] == 0
    assert run("check", "ints.pyhmap")[0] == 1


def test_types_with_long_names_are_cut(run):
    HMap([(f"field {i}", "i4") for i in range(50)], "i8").save("a.pyhmap")
    for verb in "inspect", "stats":
        _, out, _ = run(verb, "a.pyhmap")
        assert all(len(line) <= 80 for line in out.splitlines()), out
    assert out.startswith("a.pyhmap: a map from {field 0: int32, field 1: int32, field 2: int3")
    assert out.splitlines()[0].endswith("...")


# ---- check -----------------------------------------------------------------------------------------------------------


def test_check(run):
    size = os.path.getsize(ints())
    outcome = run("check", "ints.pyhmap")
    assert outcome == (0, f"ints.pyhmap: no damage in {size:,} bytes; each of 1,000 keys is found\n", "")
    found = json.loads(run("check", "--json", "ints.pyhmap")[1])
    identity = header_in(Path("ints.pyhmap")).id
    assert found == {"file": "ints.pyhmap", "ok": True, "id": identity, "count": 1000, "bytes": size}


def test_check_of_an_index(run):
    size = os.path.getsize(index())
    said = f"index.pyhmap: no damage in {size:,} bytes; each of 40 keys is found, and each code leads to its key"
    assert run("check", "index.pyhmap") == (0, f"{said}\n", "")
    found = json.loads(run("check", "--json", "index.pyhmap")[1])
    assert found == {"file": "index.pyhmap", "ok": True, "id": id_of("index.pyhmap"), "count": 40, "bytes": size}


@pytest.mark.parametrize("make", [ints, index])
def test_check_finds_every_damaged_byte(run, make):
    path = make()
    rng = random.Random(1)
    size = os.path.getsize(path)
    for at in [0, size - 1, *rng.sample(range(size), 50)]:
        flip(path, at)
        refused(run("check", path), 1, f"python -m pyhmap check: {path}")
        flip(path, at)
    assert run("check", path)[0] == 0


def test_check_finds_a_code_that_does_not_lead_to_its_key(run):
    """Though all checksums are right."""
    path = Path(index())
    rows = np.arange(40, dtype="u4")
    rewritten(path, {}, rows=rows)
    status, out, err = run("check", "--json", "index.pyhmap")
    assert (status, json.loads(out)["ok"]) == (1, False)
    assert re.search(r"index.pyhmap is damaged: code \d+ does not lead to its key", err)
    rows[7] = 40
    rewritten(path, {}, rows=rows)
    for verb in "check", "stats":
        refused(run(verb, "index.pyhmap"), 1, "index.pyhmap is damaged: code 7 leads outside of the rows")


def test_check_says_where_the_damage_is(run):
    FrozenMap.from_arrays(np.arange(200_000), np.arange(200_000)).save("big.pyhmap")
    flip("big.pyhmap", PAGE + 2 * BLOCK + 17)
    message = f"big.pyhmap is damaged between byte {PAGE + 2 * BLOCK:,} and byte {PAGE + 3 * BLOCK:,}"
    refused(run("check", "big.pyhmap"), 1, message, "Write it again, or take another copy")
    status, out, err = run("check", "--json", "big.pyhmap")
    found = json.loads(out)
    assert (status, found["ok"], found["file"]) == (1, False, "big.pyhmap")
    assert message in found["error"]
    assert found["error"] in err


def test_check_compares_the_sha256(run):
    digest = hashlib.sha256(Path(ints()).read_bytes()).hexdigest()
    status, out, _ = run("check", "ints.pyhmap", "--sha256", digest.upper())
    assert status == 0
    assert out.endswith(", and the SHA-256 is that one\n")
    refused(run("check", "ints.pyhmap", "--sha256", "0" * 64), 1, f"has the SHA-256 {digest}, not 000")
    status, _, err = run("check", "ints.pyhmap", "--sha256", "12")
    assert status == 2
    assert "argument --sha256: '12' is no SHA-256: give 64 hexadecimal digits" in err


# ---- what is no file, for all verbs that read one --------------------------------------------------------------------

READERS = pytest.mark.parametrize("verb", ["inspect", "check", "stats"])


@READERS
def test_a_file_that_cannot_be_read(run, verb, tmp_path):
    refused(run(verb, "missing.pyhmap"), 2, f"pyhmap {verb}: missing.pyhmap: cannot read it: No such file or directory")
    refused(run(verb, "."), 2, ". is no regular file")
    os.mkfifo("pipe.pyhmap")
    refused(run(verb, "pipe.pyhmap"), 2, "pipe.pyhmap is no regular file")
    refused(run(verb, "missing/a.pyhmap"), 2, "No such file or directory")
    status, out, _ = run("check", "--json", "missing.pyhmap")
    assert status == 2
    assert json.loads(out)["error"] == "missing.pyhmap: cannot read it: No such file or directory"


@READERS
def test_no_permission(run, verb, monkeypatch):
    ints()
    denied = PermissionError(errno.EACCES, "Permission denied")  # root is denied nothing
    monkeypatch.setattr(_system, "open_to_read", lambda path: raising(denied))
    refused(run(verb, "ints.pyhmap"), 2, "ints.pyhmap: cannot read it: Permission denied")


def raising(error):
    raise error


@READERS
def test_a_file_of_another_kind_or_cut_off(run, verb):
    Path("a.pyhmap").write_bytes(b"PK\3\4" + bytes(10_000))
    refused(run(verb, "a.pyhmap"), 1, "a.pyhmap: it is no file of pyhmap")
    Path("a.pyhmap").write_bytes(b"")
    refused(run(verb, "a.pyhmap"), 1, "a.pyhmap: it is no file of pyhmap")
    size = os.path.getsize(ints())
    os.truncate("ints.pyhmap", size - 1)
    refused(run(verb, "ints.pyhmap"), 1, f"ints.pyhmap: it has {size - 1:,} bytes, and its header says {size:,}")
    flip(ints(), 200)
    refused(run(verb, "ints.pyhmap"), 1, "ints.pyhmap: its header is damaged")


@pytest.mark.parametrize("make", [texts, index])
def test_stats_of_a_damaged_file(run, make):
    """Checksums are not compared, but what is found leads to no crash and to no traceback."""
    path = make()
    data = Path(path).read_bytes()
    rng = random.Random(1)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 10, 1000])):
            damaged[rng.randrange(PAGE, len(data))] = rng.randrange(256)
        Path(path).write_bytes(damaged)
        status, out, err = run("stats", path, "--rows", "40")
        assert status in (0, 1)
        if status == 1:
            refused((status, out, err), 1, path)


def test_a_damaged_text_is_not_shown(run):
    texts()
    with open("texts.pyhmap", "r+b") as file:
        file.seek(header_in(Path("texts.pyhmap")).sections()["texts"].begin)  # of row 0
        file.write(b"\xff")
    refused(run("stats", "texts.pyhmap"), 1, "texts.pyhmap is damaged: a row cannot be shown (", "invalid start byte")
    assert run("stats", "texts.pyhmap", "--rows", "0")[0] == 0


# ---- stats -----------------------------------------------------------------------------------------------------------


def test_stats_of_numbers(run):
    assert run("stats", ints(), "--rows", "2") == (0, NUMBERS, "")


def test_stats_of_texts(run):
    assert run("stats", texts(), "--rows", "2") == (0, TEXTS, "")


def test_stats_of_an_index(run):
    assert run("stats", index(), "--rows", "2") == (0, INDEX, "")
    found = json.loads(run("stats", "--json", "--rows", "40", "index.pyhmap")[1])
    assert (found["kind"], found["value"]) == ("index", {"type": "<i8", "min": 0, "max": 39})
    labels = [f"{i:02}" for i in range(30)] + [f"{i:02} and some more" for i in range(10)]
    assert sorted(found["rows"]) == sorted([key, code] for code, key in enumerate(labels))


NUMBERS = """\
ints.pyhmap: a map from int64 to float64

rows         1,000 of 1,114 slots (89.8 %)
spare slots  114, 61 of them used
parts        1
buckets      376, 2.66 keys each
pilots       0-63: 92.8 %, 64-127: 5.9 %, 128-191: 1.3 %, 192-255: 0.0 %

               least      mean  greatest
keys per part  1,000  1,000.00     1,000
keys             -10         -       989
values           0.0         -     499.5

row  key  value
0    950  480.0
1    714  362.0
"""
TEXTS = """\
texts.pyhmap: a map from str to str

rows         40 of 106 slots (37.7 %)
spare slots  66, 5 of them used
parts        1
buckets      16, 2.50 keys each
pilots       0-63: 93.8 %, 64-127: 6.2 %, 128-191: 0.0 %, 192-255: 0.0 %
key texts    30 in their rows, 10 longer ones
value texts  24 in their rows, 16 longer ones

                  least   mean  greatest
keys per part        40  40.00        40
bytes of a key        2   5.50        16
bytes of a value      2  11.00        20

row  key                 value
0    '05 and some more'  'éééééé'
1    '09'                'éééééééééé'
"""


INDEX = """\
index.pyhmap: an index of str

rows         40 of 106 slots (37.7 %)
spare slots  66, 5 of them used
parts        1
buckets      16, 2.50 keys each
pilots       0-63: 93.8 %, 64-127: 6.2 %, 128-191: 0.0 %, 192-255: 0.0 %
key texts    30 in their rows, 10 longer ones

                least   mean  greatest
keys per part      40  40.00        40
bytes of a key      2   5.50        16
codes               0      -        39

row  key                 code
0    '05 and some more'  35
1    '09'                9
"""


def test_stats_for_programs(run):
    found = json.loads(run("stats", "--json", texts())[1])
    f = pyhmap.open("texts.pyhmap")
    keys, values = f.to_arrays()
    assert found["rows"] == [[key, value] for key, value in list(f.items())[:5]]
    for what, items in ("key", keys), ("value", values):
        lengths = [len(item.encode()) for item in items]
        assert found[what] == {
            "type": "str",
            "bytes": {"min": min(lengths), "mean": sum(lengths) / 40, "max": max(lengths)},
            "inline": sum(length <= 12 for length in lengths),
            "long": sum(length > 12 for length in lengths),
        }
    metadata = tensors_of(Path("texts.pyhmap").read_bytes())["__metadata__"]
    parts, slots, buckets = (int(metadata[name]) for name in ("parts", "slots", "buckets"))
    assert (found["count"], found["slots"], found["fill"]) == (40, parts * slots, 40 / (parts * slots))
    assert (found["buckets"], found["keys_per_bucket"]) == (parts * buckets, 40 / (parts * buckets))
    assert sum(found["pilots"].values()) == parts * buckets


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("text", [False, True])
def test_keys_per_part_and_spare_slots_are_those_of_the_hashes(run, seed, text):
    """Computed from the remap; here from the hash of each key. With some seeds row 0 is one that is remapped."""
    n = 150_000 if seed < 2 else 20
    keys = [f"{i}" for i in range(n)] if text else np.arange(n)
    f = FrozenMap.from_arrays(keys, np.arange(n), seed=seed)
    f.save("a.pyhmap")
    found = json.loads(run("stats", "--json", "a.pyhmap")[1])
    hash_key, (count, parts, slots, buckets), _, pilots, *_ = f._sections()
    if text:
        hashes = siphash13_many([key.encode() for key in keys], *hash_key[:2])
    else:
        hashes = hash_words(keys.astype(np.uint64), hash_key)
    in_slots = PerfectHash(Shape(count, parts, slots, buckets), pilots.tolist(), range(count, parts * slots))
    taken = [in_slots.row_of(h) for h in hashes.tolist()]
    per_part = np.bincount(np.array(taken) // slots, minlength=parts)
    assert found["keys_per_part"] == {"min": per_part.min(), "mean": n / parts, "max": per_part.max()}
    assert found["spare_slots"] == parts * slots - n
    assert found["spare_slots_used"] == sum(slot >= n for slot in taken)


@pytest.mark.parametrize(
    ("key", "value", "items", "key_range", "value_range"),
    [
        ("i1", "f4", {-5: 0.5, 3: np.nan}, (-5, 3), (0.5, 0.5)),
        (
            "M8[D]",
            "?",
            {np.datetime64("2026-01-02"): True, np.datetime64("2025-01-01"): False},
            ("2025-01-01", "2026-01-02"),
            (False, True),
        ),
        ("f8", "f8", {np.nan: np.inf}, ("nan", "nan"), ("inf", "inf")),
        (
            "u8",
            "M8[s]",
            {2**64 - 1: np.datetime64("NaT", "s"), 0: np.datetime64("2026-01-01")},
            (0, 2**64 - 1),
            ("2026-01-01T00:00:00",) * 2,
        ),
        ("S3", "c16", {b"a": 1j}, None, None),
        ([("a", "i4"), ("b", "S3")], ("f4", 2), {(1, b"x"): [1, 2]}, None, None),
    ],
)
def test_ranges(run, key, value, items, key_range, value_range):
    HMap(key, value, items).save("a.pyhmap")
    found = json.loads(run("stats", "--json", "a.pyhmap")[1])
    for what, expected in ("key", key_range), ("value", value_range):
        assert (found[what].get("min"), found[what].get("max")) == (expected or (None, None))
    assert run("stats", "a.pyhmap")[0] == 0


@pytest.mark.parametrize("make", [*MAPS.values(), *INDEXES.values()], ids=[*MAPS, *INDEXES])
def test_stats_of_every_kind(run, make):
    f = make()
    f.save("a.pyhmap")
    status, out, err = run("stats", "a.pyhmap")
    assert (status, err) == (0, "")
    assert f"\nrows         {len(f):,} of " in out
    assert json.loads(run("stats", "--json", "a.pyhmap")[1])["count"] == len(f)


def test_stats_of_a_set(run):
    FrozenSet.from_array(["a", "b"]).save("a.pyhmap")
    status, out, _ = run("stats", "a.pyhmap")
    assert status == 0
    assert "a set of str" in out
    assert "value" not in out
    found = json.loads(run("stats", "--json", "a.pyhmap")[1])
    assert found["value"] is None
    assert sorted(found["rows"]) == [["a"], ["b"]]


def test_rows_are_cut_to_the_terminal_and_cannot_control_it(run):
    HMap(str, bytes, {"\x1b[31mred\n" + "long " * 100: b"\0" * 100}).save("a.pyhmap")
    _, out, _ = run("stats", "a.pyhmap")
    assert "\x1b" not in out
    assert "'\\x1b[31mred\\nlong long" in out
    assert all(len(line) <= 80 for line in out.splitlines()), out


def test_the_number_of_rows(run):
    ints()
    assert len(json.loads(run("stats", "--json", "ints.pyhmap")[1])["rows"]) == 5
    assert len(json.loads(run("stats", "--json", "--rows", "2000", "ints.pyhmap")[1])["rows"]) == 1000
    assert "row  key" not in run("stats", "--rows", "0", "ints.pyhmap")[1]
    for wrong in "-1", "some":
        status, _, err = run("stats", f"--rows={wrong}", "ints.pyhmap")
        assert (status, err.splitlines()[-1].partition("argument ")[2]) == (
            2, f"--rows: '{wrong}' is no number of rows: give 0 or more"
        )  # fmt: skip


# ---- streams ---------------------------------------------------------------------------------------------------------


def test_progress_on_a_terminal():
    ints()
    status, shown, out = on_a_terminal("check", "ints.pyhmap")
    assert status == 0
    assert out.startswith("ints.pyhmap: no damage")
    assert "\r[########################] 100 %  0 of 0 MiB" in shown
    assert as_on_screen(shown) == ""
    assert "\n" not in shown


def test_no_progress_elsewhere():
    run = subprocess.run([*COMMAND, "check", ints()], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_reader_that_goes_away():
    ints()
    with subprocess.Popen([*COMMAND, "stats", "--rows=1000", "ints.pyhmap"], stdout=-1, stderr=-1) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == -signal.SIGPIPE


def test_ctrl_c(interruptible):
    Path("block.py").write_text(
        "import os, signal\n"
        "import pyhmap.__main__ as command\n"
        "command.check.files._map_in = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "command.run()\n"
    )
    run = subprocess.run([sys.executable, "block.py", "check", ints()], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGINT, "", "")


def test_a_full_disk_under_the_output():
    with open("/dev/full", "w") as full:
        run = subprocess.run([*COMMAND, "inspect", ints()], stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 2
    assert run.stderr == "python -m pyhmap: cannot write the output: No space left on device\n"


def test_names_and_texts_that_the_terminal_cannot_show():
    name = "é" + os.fsdecode(b"\xff.pyhmap")
    HMap(str, str, {"é": "ключ"}).save(name)
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run([*COMMAND, "stats", name], capture_output=True, env=environment)
    assert (run.returncode, run.stderr) == (0, b"")
    assert run.stdout.startswith(rb"\xe9\udcff.pyhmap: a map from str to str")


def test_help_and_mistakes(run):
    status, out, _ = run("--help")
    assert status == 0
    for verb in "inspect", "check", "stats", "build", "leakcheck":
        assert re.search(rf"^    {verb}\b", out, flags=re.MULTILINE)
        status, out_of_verb, _ = run(verb, "--help")
        assert (status, out_of_verb.startswith(f"usage: python -m pyhmap {verb} ")) == (0, True)
    for arguments in (), ("inspekt",), ("inspect",):
        status, _, err = run(*arguments)
        assert status == 2
        assert "usage: python -m pyhmap" in err


@pytest.mark.parametrize("verb", ["inspect", "check", "stats"])
def test_the_verbs_on_files_do_not_import_the_leak_lab(verb):
    code = f"import sys, pyhmap.__main__ as c; c.main([{verb!r}, {ints()!r}]); sys.exit('pyhmap.debug' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
