"""The workload: what is read, in which order, and what a request holds."""

from pathlib import Path

import pytest

from core import corpus


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small standard library with the traps of a real one."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "inner.py").write_text("def größe(self): return 0x1F\n", encoding="utf-8")
    (tmp_path / "a.py").write_text("import os  # the words of comments count\n", encoding="utf-8")
    (tmp_path / "z.py").write_bytes(b"latin = '\xe9t\xe9'\n")
    (tmp_path / "a.txt").write_text("not source", encoding="utf-8")
    for left_out in corpus.LEFT_OUT:
        (tmp_path / left_out).mkdir()
        (tmp_path / left_out / "installed.py").write_text("installed = 1\n", encoding="utf-8")
    return tmp_path


def test_identifiers_come_in_file_order_without_installed_packages(library: Path) -> None:
    words = corpus.load(library).text.split("\n")

    assert " ".join(words) == "import os the words of comments count def größe self return x1F latin t"


def test_the_description_counts_what_was_read(library: Path) -> None:
    long = "k" * 33
    (library / "a.py").write_text(f"{long} {'k' * 32} {'ö' * 17} {long}", encoding="utf-8")

    described = corpus.load(library).describe()

    assert (described["files"], described["identifiers"], described["distinct"]) == (3, 11, 10)
    assert described["over_32_bytes"] == 3  # 33, 33, and 17 letters of two bytes; not the 32
    assert described["requests"] == 1


def test_the_fingerprint_tells_two_inputs_apart(library: Path) -> None:
    before = corpus.load(library).describe()["sha256"]
    assert corpus.load(library).describe()["sha256"] == before

    (library / "a.py").write_text("import os # the words of comments Count", encoding="utf-8")

    assert corpus.load(library).describe()["sha256"] != before


def test_every_takes_whole_files_evenly(library: Path) -> None:
    words = corpus.load(library, every=2).text.split("\n")

    assert " ".join(words) == "import os the words of comments count latin t"


def test_a_folder_without_source_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="install"):
        corpus.load(tmp_path)


def test_requests_hold_every_occurrence_in_order_as_new_objects() -> None:
    words = [f"name{number % 30}" for number in range(95)]

    requests = corpus.requests("\n".join(words))

    assert [len(keys) for keys in requests] == [40, 40, 15]
    assert [key for keys in requests for key in keys] == words
    first, again = requests[0][0], requests[0][30]
    assert first == again
    assert first is not again
