"""The script that runs the suite over several interpreters, without running it."""

import json

import pytest

import pythons


def test_the_page_shows_what_is_recorded():
    text = pythons.PAGE.read_text()
    assert pythons.page(text, json.loads(pythons.RESULTS.read_text())) == text


@pytest.mark.parametrize(
    "line",
    [
        "build/release/pyhmap/_core.c:28573:37: warning: comparison of integers of different signs [-Wsign-compare]",
        "build/release/pyhmap/_core.c:12:3: error: unused variable 'x' [-Werror=unused-variable]",
        "build/release/pyhmap/_core.c:1:10: fatal error: Python.h: No such file or directory",
        "warning: pyhmap/_core.pyx:12:4: Unreachable code",
    ],
)
def test_a_warning_of_a_compiler_is_seen(line):
    assert pythons.complaints(f"running build_ext\n  {line}\ncopying") == [f"  {line}"]


def test_what_setuptools_says_is_none():
    assert pythons.complaints("warning: build_py: byte-compiling is disabled, skipping.\ngcc -Werror -c x.c") == []


def test_a_later_run_takes_the_place_of_its_like_in_the_order_of_versions():
    def row(python, passed, **more):
        return {"Python": python, "compiler": "gcc 12.2.0", "form": "short", "passed": passed} | more

    before = [row("3.13.0", "1"), row("3.9.1", "2"), row("3.13.0", "3", form="whole")]
    rows = pythons.merged(before, [row("3.13.4", "4"), row("3.13.0t", "5")])
    assert [(each["Python"], each["form"], each["passed"]) for each in rows] == [
        ("3.9.1", "short", "2"),
        ("3.13.0", "whole", "3"),
        ("3.13.0t", "short", "5"),
        ("3.13.4", "short", "4"),
    ]


def test_extras_have_a_table_of_their_own():
    rows = [
        {"Python": "3.13.0", "compiler": "gcc 12.2.0", "form": "short", "passed": "1"},
        {"Python": "3.13.0", "form": "extras", "files, lowest": "a 1", "files, newest": "a 2"},
    ]
    assert pythons.matrix(rows).splitlines() == [
        "| Python | compiler   | form  | passed |",
        "|--------|------------|-------|--------|",
        "| 3.13.0 | gcc 12.2.0 | short | 1      |",
        "",
        "| Python | extra alone | lowest | newest |",
        "|--------|-------------|--------|--------|",
        "| 3.13.0 | files       | a 1    | a 2    |",
    ]
