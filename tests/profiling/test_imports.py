"""The harness's layers, read from its real imports: a verb imports ``core``, ``render`` and itself, nothing upward."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from core.environment import HARNESS

# ``report`` shows the results of every verb; ``record`` computes their figures again and makes the documents' tables.
EVERY_FOLDER = {path.name for path in HARNESS.iterdir() if path.is_dir()}
SHARED = {"core": {"core", "render"}, "render": {"render"}, "report": EVERY_FOLDER, "record": EVERY_FOLDER}
# What a verb may import of another one, and why.
OF_OTHERS = {
    ("compare", "table"): "it tells the arms' order and counts allocations as the table does",
    ("builds", "peers"): "its processes are those of peers, with another build of the package in each",
    ("files", "peers"): "its keys are those of peers, and its targets are judged and printed as there",
    ("floor", "peers"): "its keys are those of peers",
    ("ids", "peers"): "its keys and its account of memory are those of peers, and its targets are judged as there",
    ("peers", "growth"): "the worst single insert is measured as in growth",
}

Import = tuple[int, str]  # the line, and the module that it names


def modules(folder: Path) -> dict[str, Path]:
    """The files of a harness by the names that they are imported by."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(folder.rglob("*.py"))
    }


def imports(path: Path, known: set[str]) -> Iterator[Import]:
    """What a file imports of the harness, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports here name their folder"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if found := next((name for name in (whole, node.module) if name in known), None):
                    yield node.lineno, found


def broken(folder: Path) -> list[str]:
    """Every import that breaks a rule, with its file and line; and the first circle, if there is one."""
    named = modules(folder)
    found, graph = [], {}
    for name, path in named.items():
        own = name.partition(".")[0]
        imported = list(imports(path, set(named)))
        graph[name] = {target for _, target in imported}
        if path.parent == folder:  # __main__.py and worker.py start everything
            continue
        for line, target in imported:
            other = target.partition(".")[0]
            allowed = SHARED.get(own, {"core", "render", own})
            if other not in allowed and (own, other) not in OF_OTHERS:
                found.append(f"{path.relative_to(folder)}:{line} imports {target}: {own} may import {sorted(allowed)}")
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        found.append(f"import circle: {' -> '.join(reversed(error.args[1]))}")
    return found


def test_imports_go_downwards_and_in_no_circle() -> None:
    assert broken(HARNESS) == []


def test_each_exception_is_needed() -> None:
    used = {
        (name.partition(".")[0], target.partition(".")[0])
        for name, path in modules(HARNESS).items()
        for _, target in imports(path, set(modules(HARNESS)))
    }
    assert set(OF_OTHERS) <= used


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({"core/a.py": "from peers import plan"}, "core/a.py:1 imports peers.plan: core may import"),
        ({"render/a.py": "import os\nfrom core import b\n", "core/b.py": ""}, "render/a.py:2 imports core.b"),
        ({"cache/a.py": "def f():\n    from peers.plan import X"}, "cache/a.py:2 imports peers.plan: cache may import"),
        ({"cache/a.py": "import cache.b", "cache/b.py": "from cache.a import x"}, "import circle: cache."),
    ],
)
def test_a_planted_import_is_named_with_its_line(tmp_path: Path, planted: dict[str, str], said: str) -> None:
    for name, text in ({"peers/plan.py": "X = 1"} | planted).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    (found,) = broken(tmp_path)
    assert found.startswith(said)


def test_no_folder_hides_a_module_of_the_standard_library() -> None:
    """The harness's folder comes first on the module path."""
    assert {path.stem for path in HARNESS.iterdir()} & set(sys.stdlib_module_names) == set()
