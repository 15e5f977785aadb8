"""The parts of the example: its data, its product, and each way to keep ids."""

import doctest
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import id_maps
import pyhmap
import recommender
import shown
import travels

KEYS = 1000


@pytest.fixture(scope="module")
def cities() -> travels.Cities:
    return travels.Cities(10**7)


@pytest.mark.parametrize("module", [shown, travels])
def test_examples_in_docstrings(module: ModuleType) -> None:
    failed, attempted = doctest.testmod(module)

    assert failed == 0 < attempted


# --- the data ---


def test_the_cities_are_real_and_each_has_its_name_alone(cities: travels.Cities) -> None:
    names = cities.names.tolist()

    assert len(set(names)) == len(names) > 20_000
    assert {"Berlin", "Lima", "Nairobi", "Osaka"} <= {name.split(",")[0] for name in names}


def test_larger_cities_are_drawn_more_often_and_those_near_home_are_of_its_country(cities: travels.Cities) -> None:
    names = cities.names.tolist()
    tokyo = next(number for number, name in enumerate(names) if name.startswith("Tokyo, "))
    anywhere = cities.drawn(np.random.default_rng(0).random(200_000))
    at_home = cities.drawn(np.random.default_rng(0).random(1000), np.full(1000, tokyo))

    counts = np.bincount(anywhere, minlength=len(names))
    assert counts[tokyo] > 10 * np.median(counts)
    assert {names[place][-2:] for place in at_home} == {"JP"}


def test_every_city_can_be_drawn(cities: travels.Cities) -> None:
    middles = (np.append(0, cities.ends[:-1]) + cities.ends) / 2 / cities.ends[-1]

    assert cities.drawn(middles).tolist() == list(range(len(cities.names)))
    assert cities.drawn(np.array([0.0, 1.0])).tolist() == [0, len(cities.names) - 1]


def test_ids_are_distinct_and_of_sixteen_digits() -> None:
    made = travels.ids(np.arange(100_000)).tolist()

    assert len(set(made)) == 100_000
    assert {len(each) for each in made} == {16}
    assert set("".join(made)) == set("0123456789abcdef")


def test_ten_batches_bring_a_tenth_each_in_order_and_meet_old_ones_again() -> None:
    seen: dict[str, int] = {}
    for number, (who, where) in enumerate(travels.batches(KEYS, travels.Cities(KEYS))):
        assert len(who) == len(where) == travels.VISITS * KEYS // travels.BATCHES
        for each in who.tolist():
            seen.setdefault(each, len(seen))
        assert len(seen) == KEYS * (number + 1) // travels.BATCHES
    assert list(seen) == travels.ids(np.arange(KEYS)).tolist()


# --- the product ---


def test_people_are_alike_by_cosine_and_the_city_is_new_to_them(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    travellers, cities = random.integers(60, size=300), random.integers(25, size=300)
    recommender.save(tmp_path, travellers, cities, (60, 25))
    of_all = recommender.Recommender(tmp_path)
    asked = np.arange(60)
    alike = of_all.alike(asked)
    new = of_all.somewhere_new(asked, alike)

    visits = np.zeros((60, 25))
    visits[travellers, cities] = 1
    unit = visits / np.maximum(np.linalg.norm(visits, axis=1, keepdims=True), 1)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, 0)
    for row in asked:
        right = sorted(np.flatnonzero(cosine[row] > 1e-9), key=lambda other: (-round(cosine[row, other], 5), other))
        right = right[: recommender.ALIKE]
        assert np.allclose(cosine[row, alike[row][: len(right)]], cosine[row, right])
        assert (alike[row][len(right) :] == -1).all()
        theirs = unit[alike[row][alike[row] >= 0]].sum(axis=0) * (visits[row] == 0)
        assert new[row] == -1 if theirs.max() == 0 else theirs[new[row]] == pytest.approx(theirs.max())


def test_who_is_like_nobody_has_no_answer(tmp_path: Path) -> None:
    recommender.save(tmp_path, np.array([0, 1]), np.array([0, 1]), (2, 2))
    of_all = recommender.Recommender(tmp_path)
    alike = of_all.alike(np.array([0]))

    assert alike.tolist() == [[-1] * recommender.ALIKE]
    assert of_all.somewhere_new(np.array([0]), alike).tolist() == [-1]


# --- the ways ---


@pytest.mark.parametrize("way", [way for way in id_maps.WAYS if way != "none"])
def test_each_way_leads_from_ids_to_codes_and_back(way: str, tmp_path: Path) -> None:
    labels = ["Zürich, ZH, CH", "Oslo, 12, NO", "", "naïve\tid"]
    path = tmp_path / f"ids{id_maps.WAYS[way].suffix}"
    id_maps.WAYS[way].write(pyhmap.HIndex(str, labels), path)
    opened = id_maps.WAYS[way](path)

    assert opened.encode(["", labels[3], labels[0], ""]).tolist() == [2, 3, 0, 2]
    assert opened.decode(np.array([3, -1, 0])) == [labels[3], None, labels[0]]


def test_without_ids_codes_are_what_is_asked_and_answered(tmp_path: Path) -> None:
    codes = id_maps.Codes(tmp_path / "none")

    assert codes.decode(codes.encode([4, -1])) == [4, -1]
