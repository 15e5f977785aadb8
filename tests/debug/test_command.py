"""`python -m pyhmap leakcheck`: exit statuses, the output of each stream, and errors that name the mistake."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def leakcheck(*arguments):
    command = [sys.executable, "-P", "-m", "pyhmap", "leakcheck", *arguments]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120)


FEW = "--rounds", "5", "--calls", "20"


def test_a_clean_function():
    run = leakcheck("programs:parses_and_formats", *FEW)
    assert (run.returncode, run.stdout.split("\n")[0]) == (0, "clean: nothing grows from round to round.")
    assert run.stderr.startswith("20 calls per round: ")
    assert "40 calls per round: clean" in run.stderr


def test_a_leak():
    run = leakcheck("programs:list_of_texts", *FEW)
    assert run.returncode == 1, run.stderr
    assert run.stdout.startswith("held references: ")
    assert "programs.texts (list of " in run.stdout


def test_json_is_all_there_is_on_stdout():
    run = leakcheck("programs:malloc_without_free", "--json", *FEW)
    document = json.loads(run.stdout)
    assert run.returncode == 1
    assert (document["schema_version"], document["verdict"]) == (1, "native leak")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("programs",), "'programs' is not of the form module:function"),
        (("missing_module:f",), "there is no module 'missing_module'"),
        (("programs:nothing_like_that",), "'programs' has no 'nothing_like_that'; it has "),
        (("programs:not_a_function",), "programs:not_a_function is a int, which cannot be called"),
        (("programs:raises",), "programs:raises raised LookupError: no such thing (" + str(HERE / "programs.py")),
        (("programs:raises",), ", at call 1\n"),
        (("programs:raises_at_call_30", *FEW), "raised LookupError: no such thing (" + str(HERE / "programs.py")),
        (("programs:raises_at_call_30", *FEW), ", at call 30\n"),
        (("programs:raises_in_its_body",), "raised LookupError: no such thing (" + str(HERE / "programs.py")),
        (("programs:exits",), "programs:exits raised SystemExit: 0 ("),
        (("programs:needs",), "needs(one, *, another=2) cannot be called without arguments (missing a required "),
        (("programs:endless",), "programs:endless raised ValueError: one call yields more than 1,000,000 items"),
        (("programs:not_a_function.real.name",), "'programs' has no 'not_a_function.real.name'; it has "),
        (("programs:list_of_texts", "--rounds", "2"), "rounds=2: give at least 4"),
        (("programs:list_of_texts", "--calls", "0"), "calls=0: give at least 1"),
        (("conftest:HERE.joinpath",), None),
    ],
)
def test_what_cannot_be_asked(arguments, complaint):
    run = leakcheck(*arguments)
    if complaint is None:  # an attribute of an attribute is found, and called
        assert run.returncode == 0
        return
    assert run.returncode == 2
    assert complaint in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_a_module_whose_import_fails(tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_that_exists\n")
    (tmp_path / "worse.py").write_text("1 / 0\n")
    (tmp_path / "script.py").write_text("import sys; sys.exit()\n")
    for name, complaint in (
        ("broken", "needs the module 'nothing_that_exists'"),
        ("worse", "raised ZeroDivisionError"),
        ("script", "raised SystemExit"),
    ):
        command = [sys.executable, "-P", "-m", "pyhmap", "leakcheck", f"{name}:f"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 2
        assert complaint in run.stderr
        assert "Traceback" not in run.stderr
