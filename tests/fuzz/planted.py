"""Whether the targets and `make asan` find faults: each is planted in a copy of the packages, and must be found there.

    python tests/fuzz/planted.py [--seconds 60]

A target begins with the committed inputs; for `make asan` stand a few of its tests. A fault in a .pyx needs only its
own module built again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple

import run

ROOT = run.HERE.parents[1]
PACKAGES = ("_hmap_bytes", "pyhmap", "tophash_cache")
BUILD = """
import sys
import setuptools
from distutils.core import run_setup

made = run_setup("setup.py", stop_after="init")
made.ext_modules = [each for each in made.ext_modules if each.name == sys.argv[1]]
command = made.get_command_obj("build_ext")
command.build_lib, command.build_temp = sys.argv[2], "build/temp"
command.ensure_finalized()
command.run()
"""


class Fault(NamedTuple):
    target: str
    what: str
    file: str
    right: str
    wrong: str
    seen_by: str  # what the failure names
    module: str = ""  # the one that is built again, for a .pxd


TESTS = "tests/map/test_arena.py"
FAULTS = [
    Fault(
        "asan", "the memory of a table is lost", "pyhmap/_engine/memory.pyx",
        "free(self.start)", "pass", "LeakSanitizer: detected memory leaks",
    ),
    Fault(
        "operations", "a removed key does not end iterations", "pyhmap/_core.pyx",
        "self.version += keys_changed", "self.version += 0", "Uncaught Python exception",
    ),
    Fault(
        "operations", "a value is given away without a reference", "pyhmap/_engine/map.pyx",
        "Py_INCREF(value)", "pass", "heap-use-after-free",
    ),
    Fault(
        "sets", "a set is smaller than itself", "pyhmap/_mapping/sets.py",
        "return len(self) < len(other) and self.issubset(other)",
        "return len(self) <= len(other) and self.issubset(other)", "AssertionError",
    ),
    Fault(
        "arrow", "a buffer of items that is null is read", "_hmap_bytes/arrow_check.pyx",
        "if array.buffers[1] == NULL and not", "if array.n_buffers < 0 and not", "AddressSanitizer",
    ),
    Fault(
        "arrow", "a long text of a view may end beyond its data", "_hmap_bytes/arrow_items.pxd",
        "<uint64_t> field[3] + field[0] > load64", "<uint64_t> field[3] > load64", "AddressSanitizer",
        module="pyhmap._convert.text_batch",
    ),
    Fault(
        "arrow", "a code may be larger than the dictionary", "tophash_cache/_arrow.pyx",
        "wrong = (codes < 0) | (codes >= words)", "wrong = codes < 0", "IndexError",
    ),
    Fault(
        "pickles", "an array of more items than there are bytes", "pyhmap/_mapping/pickling.py",
        "return Packed(np.ndarray(shape, dtype, data))",
        "return Packed(np.lib.stride_tricks.as_strided(data.view(dtype), shape))", "AddressSanitizer",
    ),
    Fault(
        "states", "bytes are taken for pointers", "pyhmap/_mapping/pickling.py",
        "if dtype.hasobject or", "if", "AddressSanitizer",
    ),
    Fault(
        "files", "the remap may lead outside of the rows", "pyhmap/_kernels/frozen.pxd",
        "return min(<uint64_t> f.remap[slot - f.count], f.count - 1)", "return f.remap[slot - f.count]",
        "AddressSanitizer", module="pyhmap._engine.batch_read",
    ),
    Fault(
        "files", "the row of a code may be none of the rows", "pyhmap/_kernels/frozen.pxd",
        "return min(<uint64_t> row_at[code], f.count - 1)", "return row_at[code]",
        "AddressSanitizer", module="pyhmap._engine.frozen",
    ),
    Fault(
        "files", "a text may lie outside of the texts", "pyhmap/_kernels/frozen.pxd",
        "if unlikely(not is_in_arena(&text, t.arena.size)):", "if unlikely(text.tail == 7):",
        "AddressSanitizer", module="pyhmap._engine.batch_read",
    ),
    Fault(
        "files", "a header may be written in another way", "pyhmap/_file/header.py",
        "if header.to_bytes() != data:", "if False:", "SafetensorError",
    ),
    Fault(
        "freezing", "another slot is marked as taken", "pyhmap/_kernels/frozen_build.pxd",
        "s.taken[slot >> 6] |= <uint64_t> 1 << (slot & 63)", "s.taken[slot >> 6] |= <uint64_t> 1 << (slot & 31)",
        "AssertionError", module="pyhmap._engine.freeze",
    ),
]  # fmt: skip


def plant(fault: Fault, folder: Path) -> Path:
    """The installed packages with the fault: the folder that they are in."""
    source, installed = folder / "source", folder / "installed"
    for name in PACKAGES:
        shutil.copytree(Path(sysconfig.get_path("platlib"), name), installed / name)
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    text = (source / fault.file).read_text()
    if text.count(fault.right) != 1:
        raise SystemExit(f"{fault.file} has not exactly one {fault.right!r}: adapt the fault in {__file__}")
    changed = source / fault.file
    changed.write_text(text.replace(fault.right, fault.wrong))
    if changed.suffix == ".py":
        shutil.copy(changed, installed / fault.file)
        return installed
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    module = fault.module or fault.file.removesuffix(".pyx").replace("/", ".")
    build = [sys.executable, "-c", BUILD, module, str(installed)]
    environment = os.environ | {"PYHMAP_BUILD": "sanitize"}
    done = subprocess.run(build, cwd=source, env=environment, capture_output=True, text=True)  # warnings by the hundred
    if done.returncode:
        raise SystemExit(f"{module} could not be built:\n{done.stderr[-3000:]}")
    return installed


def command(fault: Fault, folder: Path, seconds: int) -> list[str]:
    if fault.target == "asan":  # as in the Makefile
        return [sys.executable, "-P", "-m", "pytest", "-q", "-s", "-n", "1", "-m", "not release_only", TESTS]
    corpora = [folder / "found", run.committed(fault.target)]
    corpora[0].mkdir()
    return run.command(fault.target, f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", *corpora)


def environment(fault: Fault, installed: Path) -> dict[str, str]:
    made = run.environment()
    made["PYTHONPATH"] = f"{installed}{os.pathsep}{made['PYTHONPATH']}"
    if fault.target == "asan":
        made["ASAN_OPTIONS"] = "detect_leaks=1:leak_check_at_exit=0"
        made["LSAN_OPTIONS"] = f"suppressions={run.HERE / 'leaks.supp'}"
    return made


def is_found(fault: Fault, seconds: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        installed = plant(fault, folder)
        done = subprocess.run(
            command(fault, folder, seconds), cwd=ROOT, env=environment(fault, installed),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
    found = done.returncode != 0 and fault.seen_by in done.stdout
    print(f"{fault.target}: {fault.what}: {'found' if found else 'NOT FOUND'}", flush=True)
    if not found:
        print(f"It ended with {done.returncode}, without {fault.seen_by!r}:", done.stdout[-3000:], sep="\n", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each fault")
    options = parser.parse_args()
    found = [is_found(fault, options.seconds) for fault in FAULTS]
    sys.exit(not all(found))


if __name__ == "__main__":
    main()
