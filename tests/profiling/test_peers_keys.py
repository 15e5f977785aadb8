"""The keys and questions: what each set is said to be, and that a file gives back what was written."""

import numpy as np
import pytest

from peers import keys as peers_keys
from pyhmap import HMap


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(peers_keys, "FEWEST_QUERIES", 3000)


@pytest.mark.parametrize("kind", ["int64", "float64", "str8", "str17", "str40"])
def test_questions_have_the_answers_that_a_dict_gives(kind):
    asked = peers_keys.questions(kind, "random", 1000, 5)
    known = dict(zip(asked.keys.tolist(), range(1000), strict=True))
    assert len(known) == 1000
    assert [known[key] for key in asked.hits.tolist()] == asked.hit_answers.tolist()
    assert np.bincount(asked.hit_answers).tolist() == [3] * 1000  # each equally often
    assert not known.keys() & set(asked.misses.tolist())
    assert [known.get(key, -1) for key in asked.mixed.tolist()] == asked.mixed_answers.tolist()
    assert (asked.mixed_answers == -1).sum() == 1500
    assert len({*asked.deleted.tolist()} & known.keys()) == 500
    assert {*asked.stream.tolist(), *asked.draws.tolist()} <= known.keys()


def test_the_stream_follows_zipf_s_law():
    positions = peers_keys.zipf(np.random.default_rng(0), 1000, 200_000)
    counts = np.bincount(positions, minlength=1000)
    assert len(counts) == 1000
    expected = np.log1p(1 / np.arange(1, 1001)) / np.log(1001)  # of whole numbers whose logarithms are uniform
    assert counts[:20] / 200_000 == pytest.approx(expected[:20], rel=0.1)


@pytest.mark.parametrize("key_set", peers_keys.KEY_SETS)
def test_keys_of_a_set_are_distinct_and_other_seeds_give_other_questions(key_set):
    kind = "float64" if key_set.startswith("floats") else "int64"
    first, second = (peers_keys.questions(kind, key_set, 1000, seed) for seed in (0, 1))
    assert len(np.unique(np.concatenate([first.keys, first.misses]))) == len(np.unique(first.misses)) + 1000
    assert first.keys.dtype == kind
    assert not np.array_equal(first.hits, second.hits)


def test_all_keys_of_the_set_have_one_tophash():
    keys = peers_keys.make_keys("int64", "one tophash", 2000, np.random.default_rng(0))
    m = HMap(np.int64, np.int64, seed=peers_keys.SEED)
    m.set_many(keys, 0)
    m.finish_growth()
    rows = m.bucket_arrays().tophash
    assert set(rows[rows >= 5].tolist()) == {peers_keys.ONE_TOPHASH}
    assert (rows >= 5).sum() == 2000


def test_low_bits_are_zero_where_only_high_ones_are_said_to_be_used():
    keys = peers_keys.make_keys("int64", "high bits", 1000, np.random.default_rng(0))
    assert not (keys & (1 << 50) - 1).any()


@pytest.mark.parametrize("kind", ["int64", "float64", "str17"])
def test_a_file_gives_the_questions_back(kind, tmp_path):
    asked = peers_keys.questions(kind, "random", 100, 1)
    peers_keys.write(asked, tmp_path / "questions")
    read = peers_keys.read(tmp_path / "questions", kind)
    for name in peers_keys.FIELDS:
        assert np.array_equal(getattr(read, name), getattr(asked, name)), name
