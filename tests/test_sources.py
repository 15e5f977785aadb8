"""A lint of the project's own: import arrows, kernels that cannot raise, and the form of every source file."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KERNELS = [
    "_types",
    "_layout",
    "_hash",
    "_utf8",
    "_text",
    "_read",
    "_combine",
    "_slot",
    "_probe",
    "_grow",
    "_ops",
    "_batch",
    "_batch_read",
    "_batch_write",
    "_forms",
]  # from below
CLASSES = [
    "_gate",
    "_arrays",
    "_arrow",
    "_texts",
    "_core",
    "_single",
    "_many",
]  # these come on top, and use the interpreter
MAX_LINES = 700

cython_sources = sorted(path for name in ("pyhmap", "tophash_cache") for path in (ROOT / name).glob("*.p[yx][xd]"))
python_sources = sorted(path for name in ("pyhmap", "tophash_cache") for path in (ROOT / name).rglob("*.py"))
other_sources = sorted(path for name in ("tests", "profiling") for path in (ROOT / name).rglob("*.py"))
every_source = [*cython_sources, *python_sources, *other_sources, ROOT / "setup.py"]


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=[str(path.relative_to(ROOT)) for path in paths])


def code_lines(path):
    """The lines of a Cython file with comments and docstrings blanked, so that words in them are not taken for code."""
    text = re.sub(r'("""|\'\'\').*?\1', lambda match: "\n" * match[0].count("\n"), path.read_text(), flags=re.DOTALL)
    return [line.partition("#")[0].rstrip() for line in text.splitlines()]


def test_there_are_sources_to_look_at():
    assert {"_core.pyx", "_types.pxd", "_cache.pyx"} <= {path.name for path in cython_sources}
    assert {"_pure.py", "introspect.py"} <= {path.name for path in python_sources}


@named(sorted((ROOT / "pyhmap").glob("*.p[yx][xd]")))
def test_cimports_point_downwards(path):
    """A kernel imports only what is below it, so each layer can be read knowing the ones before it."""
    layers = KERNELS + CLASSES
    assert path.stem in layers, f"{path.name}: give the new file its place in KERNELS or CLASSES"
    for line in code_lines(path):
        for module in re.findall(r"\bfrom\s+(?:pyhmap)?\.(\w+)\s+cimport\b", line):
            if module != path.stem:  # a .pyx may take the declarations of its own .pxd
                assert layers.index(module) < layers.index(path.stem), line
        assert not re.search(r"\bcimport\s+numpy\b", line), line


@named([ROOT / "pyhmap" / f"{name}.pxd" for name in KERNELS])
def test_kernels_neither_raise_nor_need_the_gil(path):
    text = "\n".join(code_lines(path))
    functions = re.findall(r"^cdef inline [^(]*?(\w+)\s*\(([^)]*)\)([^:]*):", text, flags=re.MULTILINE)
    assert len(functions) == len(re.findall(r"^cdef inline ", text, flags=re.MULTILINE))
    for name, _, qualifiers in functions:
        assert "noexcept nogil" in qualifiers, name
    for line in text.splitlines():
        assert not re.match(r"\s*(import|raise|try|def|with)\b", line), line
        assert not re.search(r"\b(malloc|calloc|realloc|free|object)\b", line), line


@named(cython_sources)
def test_directives_are_set_in_setup_py_only(path):
    """A decorator or a header comment would win over setup.py, and the debug build could not turn the checks on."""
    assert not re.search(r"^#\s*cython\s*:", path.read_text(), flags=re.MULTILINE)
    for line in code_lines(path):
        assert not re.match(r"\s*@\s*(cython\.)?(boundscheck|wraparound|cdivision|initializedcheck|nonecheck)", line), (
            line
        )
        assert not re.match(r"\s*(with\s+cython\.|include\b|DEF\b|IF\b)", line), line
        assert not re.search(r"\bcimport\s+(numpy|cython)\b", line), line


@named(every_source)
def test_a_file_begins_by_saying_what_it_is(path):
    start = path.read_text().lstrip()
    assert start == "" or start.startswith(("#", '"""', 'r"""')), "no comment or docstring at the top"


@named(every_source)
def test_files_are_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


def imported(path):
    """The top-level packages and the project modules that a Python file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@named(python_sources)
def test_packages_do_not_import_their_users(path):
    for module in imported(path):
        assert module.split(".")[0] not in ("tests", "profiling"), module


@named(sorted((ROOT / "tophash_cache").glob("*.p[yx][xd]*")) + sorted((ROOT / "tophash_cache").glob("*.py")))
def test_the_cache_stands_alone(path):
    assert not re.search(r"\b(import|cimport|from)\s+pyhmap\b", path.read_text())


@named(other_sources)
def test_nothing_imports_the_harness(path):
    if path.is_relative_to(ROOT / "profiling"):
        return
    assert all(module.split(".")[0] != "profiling" for module in imported(path))


def test_the_harness_folder_is_no_package():
    """From Python 3.15 on the standard library has a package of that name."""
    assert not (ROOT / "profiling" / "__init__.py").exists()
