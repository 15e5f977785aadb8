"""Whether the targets find faults: each fault is planted in a copy of the packages, and a target must fail on it.

    python tests/fuzz/planted.py [--seconds 60]

A target begins with the committed inputs. A fault in a .pyx needs only its own module built again.
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
from setuptools._distutils.core import run_setup

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


FAULTS = [
    Fault(
        "operations", "a removed key does not end iterations", "pyhmap/_core.pyx",
        "self.version += keys_changed", "self.version += 0", "AssertionError",
    ),
    Fault(
        "operations", "the last bytes of a table are not its own", "pyhmap/_engine/memory.pyx",
        "calloc(size + LINE, 1)", "calloc(size - LINE, 1)", "heap-buffer-overflow",
    ),
    Fault(
        "sets", "a set is smaller than itself", "pyhmap/hset.py",
        "return len(self) < len(other) and self.issubset(other)",
        "return len(self) <= len(other) and self.issubset(other)", "AssertionError",
    ),
    Fault(
        "arrow", "a validity buffer that is null is read", "_hmap_bytes/arrow_check.pyx",
        "if array.null_count > 0 and array.buffers[0] == NULL:",
        "if array.null_count > 1 << 60 and array.buffers[0] == NULL:", "ERROR",
    ),
    Fault(
        "arrow", "a text may end beyond its data", "_hmap_bytes/arrow_items.pxd",
        "return 0 <= begin[0] <= end[0] <= last", "return 0 <= begin[0] <= end[0]", "AddressSanitizer",
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
    subprocess.run(
        [sys.executable, "-c", BUILD, module, str(installed)],
        cwd=source, env=os.environ | {"PYHMAP_BUILD": "sanitize"}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return installed


def is_found(fault: Fault, seconds: int) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = run.environment()
        environment["PYTHONPATH"] = f"{plant(fault, folder)}{os.pathsep}{environment['PYTHONPATH']}"
        corpus = run.HERE / "corpus" / fault.target
        (folder / "found").mkdir()
        limits = f"-max_total_time={seconds}", f"-artifact_prefix={folder}/"
        done = subprocess.run(
            run.command(fault.target, *limits, folder / "found", *([corpus] if corpus.exists() else [])),
            env=environment, capture_output=True, text=True, errors="replace",
        )  # fmt: skip
        found = done.returncode != 0 and fault.seen_by in done.stderr
        if done.returncode and not found:
            print(done.stderr[-5000:])
    print(f"{fault.target}: {fault.what}: {'found' if found else 'NOT FOUND'}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each fault")
    options = parser.parse_args()
    sys.exit(not all([is_found(fault, options.seconds) for fault in FAULTS]))


if __name__ == "__main__":
    main()
