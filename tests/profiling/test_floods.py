"""The verb ``floods``: the keys collide as they should, and the figures follow from the samples."""

import numpy as np
import pytest
import xxhash
from rich.console import Console

from floods import run as floods
from floods import worker


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(worker, "BITS", 6)
    monkeypatch.setattr(worker, "N", 4**6)
    monkeypatch.setattr(worker, "ROUNDS", 1)


def test_the_family_has_the_square_root_of_the_digests(small):
    keys = worker.xxh64_family().tolist()
    assert len(set(keys)) == 4096
    assert len({xxhash.xxh64_intdigest(key) for key in keys}) == 64


@pytest.mark.parametrize("flood", worker.FLOODS)
def test_each_flood_has_distinct_keys_and_is_measured(small, flood):
    kind = worker.FLOODS[flood]
    keys = kind.keys(np.random.default_rng(1))
    assert len(set(keys.tolist())) == 4096
    made = worker.measure(flood, 1)
    assert all(set(worker.OPERATIONS) <= made[arm].keys() for arm in ("flooded", "random"))
    assert made["random"]["rekeys"] == 0
    noticed = flood in ("one bucket, the seed known", "XXH64 family, hash='xxh64'")
    assert (made["flooded"]["rekeys"] > 0) == noticed


def sample(flood, block, flooded, random, rekeys=0):
    arms = {}
    for arm, ns in (("flooded", flooded), ("random", random)):
        arms[arm] = {"rekeys": rekeys, "growths": 5, "longest": 3} | dict.fromkeys(worker.OPERATIONS, ns + block / 10)
    return {"flood": flood, "block": block} | arms


def made():
    samples = [sample("dense", block, 10.0, 10.0) for block in range(6)]
    samples += [sample("one tophash, the seed known", block, 30.0, 10.0, rekeys=block % 2) for block in range(6)]
    return floods.rows(samples)


def test_ratios_are_paired_and_the_worst_is_kept():
    dense, tophash = made()
    assert dense["worst"] == 1
    pairs = [(30 + block / 10) / (10 + block / 10) for block in range(6)]
    assert tophash["over_random"]["get_many"]["value"] == pytest.approx(np.median(pairs))
    assert (dense["rekeys"], tophash["rekeys"], tophash["longest"]) == (0, 1, 3)


def test_what_is_beyond_the_limit_is_named_and_bold():
    document = {"figures": made(), "ended_by": ""}
    console = Console(width=120)
    with console.capture() as printed:
        floods.show(console, document)
    assert "more than 2 times random keys: one tophash, the seed known." in printed.get()
    dense, tophash = floods.markdown(document).splitlines()[2:]
    assert dense == "| dense | 0 | 3 | " + " | ".join(["10 ns | 1.00\N{MULTIPLICATION SIGN}"] * 4) + " |"
    assert tophash.count("**") == 8
