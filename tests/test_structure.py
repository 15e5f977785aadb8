"""Rules that a program can check: which module imports which, and the form of the sources.

LAYERS is the order of the modules, from the bottom up. A module may import those in the lines before its own, and those
named before it in its own line. The imports are read from the sources themselves: `import` statements by Python's own
parser, `cimport` statements by Cython's grammar of them.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("_hmap_bytes", "pyhmap", "tophash_cache")

LAYERS = """
    _hmap_bytes                arrow_types raw_bytes utf8 xxh64 arrow_abi arrow_items arrow_check
    _hmap_bytes                arrow_column
    tophash_cache              controller stats config containers _hashing _arrow _cache __init__ break_even __main__
    pyhmap                     errors _release _system
    pyhmap._kernels            constants layout hash siphash text text_buffers text_source slot any_key probe grow
    pyhmap._kernels            one_key dispatch reading writing combine pipeline lookup_many write_many
    pyhmap._kernels            write_shared
    pyhmap._kernels            frozen_layout frozen frozen_build file_blocks spilled codes
    pyhmap._convert            sentinels scalars arrow_out arrow_values text_batch columns dtypes codec numbers times
    pyhmap._convert            texts records codecs combining infer arrow_table
    pyhmap._inspect            state views hashes stats check codes notebook
    pyhmap._engine             forks threads rwlock counters memory typed
    pyhmap                     _core
    pyhmap._engine             single one_item one_write iterate batch_items batch_values batch_objects frozen_core
    pyhmap._engine             batch_read write_shared batch_write map freeze build_parts frozen codes parted
    pyhmap._mapping            equality views pickling reading mapping sets ids batches windows frames
    pyhmap._file               replace types header blocks write build read parts lock places fetch manifest dataset
    pyhmap                     introspect frozen hmap frozen_set frozen_index hset hindex nil files generations
    pyhmap                     expiring expiring_set expiring_map datasets enricher __init__ dask
    pyhmap._reference          batches table engine frozen
    pyhmap._commands           output inspect check stats sources build
    pyhmap.debug               slopes accounts meters verdicts reflection referrers diagnosis targets places
    pyhmap.debug               rounds collector __init__
    pyhmap._commands           leakcheck
    pyhmap                     __main__
"""

#: packages that a package does without, although they are below it
FORBIDDEN = [
    ("tophash_cache", "pyhmap", "the cache stands alone"),
    ("pyhmap", "tophash_cache", "a map takes a cache as an argument and knows only its capsule"),
]


def layers() -> list[str]:
    """The modules from the bottom up. The __init__ of a folder of a package only describes it, and imports nothing."""
    names = []
    for line in LAYERS.split("\n"):
        package, *modules = line.split() or [""]
        names += [f"{package}.{module}" for module in modules]
    return names


def sources(*suffixes: str) -> list[Path]:
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.suffix in suffixes)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def code_lines(path: Path) -> list[str]:
    """The lines of a Cython file, with comments and docstrings blanked: words in them are no code."""
    text = re.sub(r'("""|\'\'\').*?\1', lambda match: "\n" * match[0].count("\n"), path.read_text(), flags=re.DOTALL)
    return [line.partition("#")[0].rstrip() for line in text.splitlines()]


def imports(path: Path) -> list[tuple[int, str]]:
    """Each import of a project module: its line, and the module's full name."""
    if path.suffix == ".py":
        found = []
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}: relative import"
                found += [(node.lineno, node.module or "", alias.name) for alias in node.names]
    else:
        found = []
        text = "\n".join(code_lines(path))
        names = r"(\([^)]*\)|[^\n]*)"
        for match in re.finditer(rf"^[ \t]*from\s+([\w.]+)\s+c?import\s+{names}", text, flags=re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            named = not match[1].startswith(".") and match[2].strip() != "*"
            assert named, f"{path}:{line}: name the module and what it imports"
            for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?", match[2]):
                found.append((line, match[1], name))
        for match in re.finditer(r"^[ \t]*c?import\s+([\w., ]+)", text, flags=re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            found += [(line, name.strip().split(" ")[0], None) for name in match[1].split(",")]
    return sorted({(line, full_name(module, name)) for line, module, name in found if is_ours(module)})


def is_ours(module: str) -> bool:
    return module.split(".")[0] in PACKAGES


def full_name(module: str, name: str | None) -> str:
    """`from package import module` names a module; `from module import name` too; a package stands for its __init__."""
    if name is not None and f"{module}.{name}" in ALL:
        return f"{module}.{name}"
    return module if module in ALL else f"{module}.__init__"


LIST = layers()
ALL = {module_of(path) for path in sources(".py", ".pyx", ".pxd")}
DESCRIBED = {f"pyhmap.{name}.__init__" for name in ("_kernels", "_convert", "_inspect", "_engine", "_mapping", "_file")}
DESCRIBED |= {"_hmap_bytes.__init__", "pyhmap._reference.__init__"}
DESCRIBED |= {"pyhmap._file.__init__", "pyhmap._commands.__init__"}


def broken_rules(path: Path) -> list[str]:
    """The imports of a file that break the order, each with its line and the rule."""
    module, broken = module_of(path), []
    for line, imported in imports(path):
        if imported == module:  # a .pyx has the declarations of its own .pxd
            continue
        where = f"{path.relative_to(ROOT)}:{line}: {module} imports {imported}"
        for of, what, why in FORBIDDEN:
            if module.startswith(f"{of}.") and imported.startswith(f"{what}."):
                broken.append(f"{where}: {why}")
        if imported not in LIST:
            broken.append(f"{where}, which is no module of LAYERS")
        elif module not in DESCRIBED and LIST.index(imported) > LIST.index(module):
            broken.append(f"{where}, which is above it in LAYERS")
        elif module in DESCRIBED:
            broken.append(f"{where}: this __init__ only describes its folder")
    return broken


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=[str(path.relative_to(ROOT)) for path in paths])


def test_every_module_has_its_layer():
    assert set(LIST) == ALL - DESCRIBED
    assert len(LIST) == len(set(LIST))


@named(sources(".py", ".pyx", ".pxd"))
def test_imports_run_one_way(path):
    assert broken_rules(path) == []


@pytest.mark.parametrize(
    ("path", "line", "rule"),
    [
        ("pyhmap/_kernels/slot.pxd", "from pyhmap._kernels.grow cimport rebuild", "above it"),
        ("pyhmap/_kernels/slot.pxd", "from pyhmap._kernels cimport (\n    grow,\n)", "above it"),
        ("pyhmap/_core.pyx", "from pyhmap.hmap import HMap", "above it"),
        ("pyhmap/_convert/codecs.py", "def f():\n    import pyhmap.debug", "above it"),
        ("pyhmap/_commands/check.py", "def f():\n    import pyhmap.debug", "above it"),
        ("pyhmap/_engine/rwlock.pxd", "from pyhmap._core cimport HMapCore", "above it"),
        ("tophash_cache/config.py", "import pyhmap", "stands alone"),
        ("pyhmap/_convert/codecs.py", "from tophash_cache import xxh64", "capsule"),
    ],
)
def test_a_planted_import_is_found(tmp_path, monkeypatch, path, line, rule):
    """The test above finds an upward import: here one is added to a copy of the file."""
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(line + "\n")
    broken = [message for message in broken_rules(planted) if rule in message]
    assert re.match(rf"{path}:\d+: ", broken[0])


@pytest.mark.parametrize(
    "line",
    [
        "from pyhmap._kernels.grow cimport *",
        "from pyhmap._kernels.grow import *",
        "from . cimport grow",
        "from .grow cimport rebuild",
        "from ..hmap import HMap",
    ],
)
def test_an_import_that_does_not_name_the_module_and_its_names_is_refused(tmp_path, line):
    planted = tmp_path / "slot.pxd"
    planted.write_text(line + "\n")
    with pytest.raises(AssertionError, match=r"slot\.pxd:1: name the module and what it imports"):
        imports(planted)


@named(sources(".py") + sorted((ROOT / "tests").rglob("*.py")))
def test_packages_and_tests_do_not_import_their_users(path):
    """Nothing imports `profiling`; no package imports `tests` or `examples`."""
    users = {"profiling"} if path.is_relative_to(ROOT / "tests") else {"profiling", "tests", "examples"}
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.split(".")[0] not in users, f"{path}:{node.lineno} imports {name}, which is built on it"


@named([path for path in sources(".pxd") if "_kernels" in path.parts or "_hmap_bytes" in path.parts])
def test_kernels_neither_raise_nor_need_the_gil(path):
    if path.stem == "arrow_column":  # a class
        return
    text = "\n".join(code_lines(path))
    functions = re.findall(r"^cdef inline [^(]*?(\w+)\s*\(([^)]*)\)([^:]*):", text, flags=re.MULTILINE)
    assert len(functions) == len(re.findall(r"^cdef inline ", text, flags=re.MULTILINE))
    for name, _, qualifiers in functions:
        assert "noexcept nogil" in qualifiers, name
    for line in text.splitlines():
        assert not re.match(r"\s*(import|raise|try|def|with)\b", line), line
        assert not re.search(r"\b(malloc|calloc|realloc|free|object)\b", line), line


@named(sources(".pyx", ".pxd"))
def test_directives_are_set_in_setup_py_only(path):
    """A decorator or a header comment would win over setup.py, and the debug build could not turn the checks on."""
    assert not re.search(r"^#\s*cython\s*:", path.read_text(), flags=re.MULTILINE)
    for line in code_lines(path):
        assert not re.match(r"\s*@\s*(boundscheck|wraparound|cdivision|initializedcheck|nonecheck)", line)
        assert not re.match(r"\s*@\s*cython\.(?!critical_section$)", line), line
        assert not re.match(r"\s*(with\s+cython\.(?!critical_section)|include\b|DEF\b|IF\b)", line), line
        assert not re.search(r"\bcimport\s+numpy\b", line), line


@named(sources(".py", ".pyx"))
def test_arrays_are_made_read_only_by_setflags(path):
    """NumPy looks up what is behind `flags.writeable = ` by a new string, which CPython's cache of attributes keeps."""
    assert not re.search(r"\.flags\.writeable\s*=[^=]|\.flags\[.*\]\s*=[^=]", path.read_text())


@named(
    [
        *sources(".py", ".pyx", ".pxd"),
        *sorted(path for folder in ("tests", "profiling", "examples") for path in (ROOT / folder).rglob("*.py")),
        ROOT / "setup.py",
    ]
)
def test_a_file_begins_by_saying_what_it_is(path):
    start = path.read_text().lstrip()
    assert start == "" or start.startswith(("#", '"""', 'r"""')), "no comment or docstring at the top"


def test_the_reference_uses_the_constants_of_the_kernels():
    """Two descriptions of one table: a constant of one name has one value in both."""
    from pyhmap._convert import codecs
    from pyhmap._inspect import state
    from pyhmap._reference import engine, frozen, table

    path = ROOT / "pyhmap/_kernels/constants.pxd"
    text = "\n".join(code_lines(path))
    assigned = re.findall(r"^    ([A-Z]\w+) = (\w+)(?: << (\w+))?$", text, flags=re.MULTILINE)
    kernels = {name: int(value, 0) << int(shift or "0") for name, value, shift in assigned}
    assert len(kernels) == len(re.findall(r"^    [A-Z]\w+ =", text, flags=re.MULTILINE)) > 30
    large = re.findall(r"#define PYHMAP_(\w+) UINT(?:32|64)_C\((\w+)\)", path.read_text())
    assert sorted(name for name, _ in large) == ["MAX_TEXT", "PILOT_STEP", "ROWS_MAX", "SLOT_MIX"]
    kernels |= {name: int(value, 0) for name, value in large}
    compared = 0
    for module in (codecs, state, table, engine, frozen):
        for name in kernels.keys() & vars(module).keys():
            if isinstance(vars(module)[name], int):  # state.TEXT is the dtype of a form of that name
                assert vars(module)[name] == kernels[name], name
                compared += 1
    assert compared > 30


@pytest.mark.parametrize("path", sources(".pyx", ".pxd"), ids=lambda path: path.name)
def test_enumerators_are_ints(path):
    """Microsoft's compiler makes an int of each, and cuts off what is larger without an error: use a macro for it."""
    for line in code_lines(path):
        if found := re.match(r"    [A-Z][A-Z_0-9]+ = (-?\w+)(?: << (\w+))?", line):
            value, shift = found.groups("0")
            if value.lstrip("-")[0].isdigit() and shift[0].isdigit():
                assert -(2**31) <= int(value, 0) << int(shift, 0) < 2**31, line


def test_the_harness_folder_is_no_package():
    """From Python 3.15 on the standard library has a package of that name."""
    assert not (ROOT / "profiling" / "__init__.py").exists()
