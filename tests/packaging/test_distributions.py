"""What an sdist and a wheel hold; and that a wheel can be built from the sdist alone, installed, and used.

Nothing here needs a network: the build requirements and the dependencies are those of the environment of the tests.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("_hmap_bytes", "pyhmap", "tophash_cache")
INSTALLED = {".py", ".pyi", ".typed"}
CYTHON = {".pyx", ".pxd"}


def files(folder: Path, suffixes: set[str]) -> set[str]:
    """The files of the packages below a folder."""
    paths = [path for package in PACKAGES for path in (folder / package).rglob("*")]
    return {path.relative_to(folder).as_posix() for path in paths if f".{path.name.split('.')[-1]}" in suffixes}


def run(*command: object, cwd: Path, compiler: Path | None = None) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYHMAP_BUILD", "PYTHONPATH")}
    if compiler:
        environment["CC"] = str(compiler)
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


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
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "setup.py", "-q", "sdist", "--dist-dir", folder, cwd=checkout)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Compiled without optimisation, which takes long: the other tests run what is compiled with it."""
    folder = tmp_path_factory.mktemp("wheel")
    compiler = folder / "cc"
    compiler.write_text('#!/bin/sh\nexec cc "$@" -O0 -g0\n')
    compiler.chmod(0o755)
    offline = ("--no-build-isolation", "--no-deps", "--no-index")
    command = ("-m", "pip", "wheel", *offline, "--wheel-dir", folder, sdist)
    run(sys.executable, *command, cwd=folder, compiler=compiler)
    (archive,) = folder.glob("*.whl")
    return archive


def test_an_sdist_has_every_source_and_nothing_that_is_made(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    sources = {name for name in names if name.startswith(PACKAGES) and ".egg-info/" not in name}
    assert sources == files(ROOT, INSTALLED | CYTHON)
    rest = {name for name in names - sources if ".egg-info/" not in name}
    made = {"PKG-INFO", "setup.cfg"}
    assert rest == made | {"pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "CHANGELOG.md", "LICENSE"}


def test_every_folder_of_the_packages_is_a_package():
    """What setuptools looks for: a folder without __init__.py would be left out of a wheel."""
    for name in files(ROOT, INSTALLED | CYTHON):
        assert (ROOT / name).with_name("__init__.py").exists(), name


@pytest.mark.slow
@pytest.mark.release_only  # a build of its own
@pytest.mark.timeout(900)
def test_a_wheel_from_the_sdist_has_the_modules_and_their_types_only(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    extensions = {name for name in names if name.endswith(".so")}
    assert names - extensions == files(ROOT, INSTALLED)
    assert {name.partition(".")[0] + ".pyx" for name in extensions} == files(ROOT, {".pyx"})


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
    names = {name.partition(".")[0] for name in files(ROOT, {".py", ".pyx"})}
    modules = sorted(name.replace("/", ".") for name in names if not name.endswith("__"))
    run(python, "-c", USE.format(modules=modules), cwd=tmp_path)
