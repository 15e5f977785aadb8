"""Workloads of choice: a user's own text, and made traffic of known shape."""

import argparse
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import corpus
from table import traffic, workload
from tophash_cache import TopHashCache

NOTHING = {"input": None, "traffic": None, "key_type": None, "key_bytes": None}


def made(name: str, **options: object) -> list[str]:
    return traffic.make(name, every=20, **options).text.split("\n")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", workload.TRAFFICS)
@pytest.mark.parametrize("length", [8, 16, 33, 64])
def test_keys_have_the_length_that_was_asked_for(name: str, length: int) -> None:
    keys = made(name, length=length)

    assert len(keys) == traffic.KEYS // 20
    assert {len(key.encode()) for key in keys} == {length}


@given(st.lists(st.integers(0, 2**32 - 1), unique=True), st.integers(8, 64))
def test_two_numbers_never_share_a_key(numbers: list[int], length: int) -> None:
    assert len({traffic.spell(number, length) for number in numbers}) == len(numbers)


def test_each_traffic_has_its_shape() -> None:
    keys = {name: made(name) for name in workload.TRAFFICS}

    assert len(set(keys["scan"])) == len(keys["scan"])
    assert len(set(keys["uniform"])) == traffic.SMALL
    assert max(Counter(keys["uniform"]).values()) < 40  # 12.5 on average
    counts = [count for _, count in Counter(keys["zipf"]).most_common(2)]
    assert counts[0] / counts[1] == pytest.approx(2**traffic.ZIPF_EXPONENT, rel=0.1)
    third = len(keys["phases"]) // 3
    assert len(set(keys["phases"][third : 2 * third])) == third
    assert set(keys["phases"][:third]) & set(keys["phases"][2 * third :])
    assert not set(keys["phases"][:third]) & set(keys["phases"][third : 2 * third])


def test_a_cache_holds_what_it_is_said_to_and_loses_where_it_is_said_to() -> None:
    def hit_rate(keys: list[str]) -> float:
        cache = TopHashCache(policy="hit-rate")  # by default trials decide too, by time
        for key in keys:
            cache.hash(key)
        info = cache.cache_info()
        return info.hits / max(1, info.hits + info.misses)

    assert hit_rate(traffic.make("zipf", every=4).text.split("\n")) > 0.85
    assert hit_rate(traffic.make("uniform", every=4).text.split("\n")) > 0.95
    assert hit_rate(made("scan")) == 0
    assert hit_rate(made("uniform", length=33)) == 0  # too long to be looked up


def test_the_same_traffic_is_the_same_keys_again() -> None:
    assert traffic.make("phases", every=20) == traffic.make("phases", every=20)


@pytest.mark.parametrize("length", [7, 65, 0, -1])
def test_a_length_out_of_range_is_refused_with_the_range(length: int) -> None:
    with pytest.raises(ValueError, match=rf"--key-bytes must be 8 to 64, not {length}"):
        traffic.make("zipf", length=length)


def test_key_options_without_traffic_are_refused() -> None:
    with pytest.raises(ValueError, match="go with --traffic"):
        workload.load(every=1, **NOTHING | {"key_type": "bytes"})  # type: ignore[arg-type]


def test_the_options_are_written_down_as_they_were_used() -> None:
    words, options = workload.load(every=100, **NOTHING | {"traffic": "scan"})  # type: ignore[arg-type]

    assert options == " --traffic scan --key-type str --key-bytes 16"
    assert words.name == "scan-str-16"
    described = words.describe()
    assert (described["distinct"], described["files"], described["key_type"]) == (10_000, 0, "str")


def test_input_and_traffic_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    workload.add_options(parser)

    with pytest.raises(SystemExit):
        parser.parse_args(["--input", "x", "--traffic", "zipf"])
    assert "not allowed with" in capsys.readouterr().err


def test_a_folder_of_ones_own_is_read_in_order_without_hidden_and_binary_files(tmp_path: Path) -> None:
    (tmp_path / "b.log").write_text("user_42 logged in")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.md").write_text("# Größe", encoding="utf-8")
    (tmp_path / "c.bin").write_bytes(b"abc\0def")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("hidden")

    words = corpus.load_input(tmp_path)

    assert words.text.split("\n") == ["Größe", "user_42", "logged", "in"]
    assert words.files == 2
    assert str(tmp_path) not in str(words.describe())


def test_one_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("one two one")

    words = corpus.load_input(tmp_path / ".hidden")

    assert (words.identifiers, words.distinct, words.name) == (3, 2, "input")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot read --input .*No such file"), ("1 2 3", "no identifiers")]
)
def test_input_that_gives_no_keys_is_one_clear_error(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ValueError, match=said):
        corpus.load_input(path)


def test_bytes_are_the_same_keys_encoded() -> None:
    assert corpus.vocabulary("é\na\né", "bytes") == ["é".encode(), b"a"]
    assert corpus.requests("é\na", "bytes") == [["é".encode(), b"a"]]
