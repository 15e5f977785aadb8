"""The types: what a checker infers (inference.py), that the stubs describe what is there, that the documents' examples
pass a strict checker."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pyhmap import ExpiringMap, ExpiringSet, FrozenMap, FrozenSet, HMap, HSet
from tophash_cache import TopHashCache

pytest.importorskip("mypy")

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def run(*arguments):
    done = subprocess.run([sys.executable, "-P", "-m", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check_strictly(path):
    code, output = run("mypy", "--strict", str(path))
    assert code == 0, output


def test_what_is_inferred():
    """Each wrong line has its own `type: ignore`, which --strict reports if it is not needed."""
    check_strictly(HERE / "inference.py")


def test_stubs_describe_what_is_there():
    code, output = run(
        "mypy.stubtest",
        *("pyhmap", "tophash_cache", "_hmap_bytes"),
        *("--mypy-config-file", "pyproject.toml"),
        *("--allowlist", str(HERE / "stubtest_allowlist.txt")),
    )
    assert code == 0, output


def test_a_checker_knows_every_public_name_of_a_class(tmp_path):
    """stubtest looks at what a class itself defines, not at what it inherits."""
    classes = ExpiringMap, ExpiringSet, FrozenMap, FrozenSet, HMap, HSet, TopHashCache
    lines = [f"from {one.__module__.partition('.')[0]} import {one.__name__}" for one in classes]
    lines += [f"{one.__name__}.{name}" for one in classes for name in dir(one) if not name.startswith("_")]
    assert "HMap.occupancy" in lines
    (tmp_path / "names.py").write_text("\n".join(lines) + "\n")
    check_strictly(tmp_path / "names.py")


@pytest.mark.parametrize("name", ["README.md", "docs/debug.md"])
def test_examples_pass_a_strict_checker(name, tmp_path):
    """The Python blocks of a document, one after the other; of those with prompts, what is typed."""
    text = (ROOT / name).read_text()
    blocks = re.findall(r"^```(?:python|pycon)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    lines = []
    for block in blocks:
        typed = re.findall(r"^(?:>>>|\.\.\.) ?(.*)$", block, flags=re.MULTILINE)
        lines += typed or block.splitlines()
    (tmp_path / "examples.py").write_text("\n".join(lines) + "\n")
    check_strictly(tmp_path / "examples.py")
