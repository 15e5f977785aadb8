"""Measurements of the verb ``growth`` that count and do not time: the same on every machine.

Owns what is built and counted. Each function returns what the result file holds.
"""

from typing import Any

import numpy as np
import scipy.stats

from pyhmap import HMap

SLOTS = 8
SEEDS = range(100)  # maps of the look-up steps: eight buckets are few, and one map's luck says little
LOOK_UPS = 10_000  # as in the article
# The article's table of look-up steps: B -> mean and worst.
ARTICLE_STEPS = {3: (1.8, 12), 4: (1.3, 7)}
# The comment at the head of Go's runtime/map.go (up to 1.23): load factor -> overflow %, bytes per entry, hit and miss.
GO_LOADS = {
    4.0: (2.13, 20.77, 3.00, 4.00), 4.5: (4.05, 17.30, 3.25, 4.50), 5.0: (6.85, 14.77, 3.50, 5.00),
    5.5: (10.55, 12.94, 3.75, 5.50), 6.0: (15.27, 11.67, 4.00, 6.00), 6.5: (20.90, 10.79, 4.25, 6.50),
    7.0: (27.14, 10.15, 4.50, 7.00), 7.5: (34.03, 9.73, 4.75, 7.50), 8.0: (41.10, 9.40, 5.00, 8.00),
}  # fmt: skip
ROW_BYTES = 8 + 8 * 16 + 4  # tophashes, slots of 8-byte keys and values, overflow link
LOAD_BUCKETS = 2**16  # of the sweep over load factors
FULLEST = 13 * 2**16  # keys of a map of 2^17 buckets that is about to grow


def random_keys(n: int, seed: int) -> np.ndarray:
    """n distinct int64."""
    rng = np.random.default_rng(seed)
    limits = np.iinfo(np.int64)
    return rng.permutation(np.unique(rng.integers(limits.min, limits.max, size=n + 10)))[:n]


def trigger(most_B: int) -> list[dict[str, int]]:
    """For each B the number of the key that starts the growth from 2^B buckets.

    Keys are inserted one at a time and the header is read after each. From 2^13 buckets on, all but the last 64 keys
    below the expected number come in one batch; that none of them grew the map is read from the header too.
    """
    rows = []
    for B in range(most_B + 1):
        expected = 9 if B == 0 else 13 * 2 ** (B - 1) + 1
        m = HMap(np.int64, np.int64, capacity=0 if B == 0 else 13 * 2 ** (B - 1), seed=B)
        first = expected - 64 if B > 12 else 0
        m.set_many(np.arange(first), 0)
        key = first
        while m.header().B == B:
            m[key] = 0
            key += 1
        rows.append({"B": B, "buckets": 2**B, "expected": expected, "grew_at_key": key})
    return rows


def positions(m: HMap) -> np.ndarray:
    """For each key its place in its chain, counted in slots from 1: how many Go's loop looks at to find it."""
    arrays = m.bucket_arrays()
    full = arrays.tophash >= 5
    rows, place, found = np.arange(m.header().buckets), 0, []
    while len(rows):
        slots = np.nonzero(full[rows])[1]
        found.append(place + slots + 1)
        rows = arrays.overflow[rows]
        rows = rows[rows != 0]
        place += SLOTS
    return np.concatenate(found)


def steps(B: int, load: float) -> dict[str, Any]:
    """10,000 look-ups of keys that are there, in maps of 2^B buckets: steps are slots looked at, and rows read."""
    keys = round(load * 2**B)
    slots, rows = [], []
    for seed in SEEDS:
        m = HMap(np.int64, np.int64, capacity=max(keys, 13 * 2 ** (B - 1)), seed=seed)
        m.set_many(random_keys(keys, seed), 0)
        asked = np.random.default_rng(seed).choice(positions(m), LOOK_UPS)
        slots.append(asked)
        rows.append((asked + SLOTS - 1) // SLOTS)
    all_slots, all_rows = np.concatenate(slots), np.concatenate(rows)
    return {
        "B": B,
        "load": keys / 2**B,
        "slots_mean": float(all_slots.mean()),
        "slots_worst_median": float(np.median([asked.max() for asked in slots])),
        "slots_worst": int(all_slots.max()),
        "rows_mean": float(all_rows.mean()),
        "rows_worst": int(all_rows.max()),
        "article": ARTICLE_STEPS[B],
    }


def simulated(load: float, seed: int = 0) -> dict[str, float]:
    """A table of this load whose keys choose their buckets at random: no map whose limit is 6.5 can show them all."""
    n = round(load * LOAD_BUCKETS)
    counts = np.bincount(np.random.default_rng(seed).integers(LOAD_BUCKETS, size=n), minlength=LOAD_BUCKETS)
    rows = np.maximum(1, -(-counts // SLOTS))
    return {
        "overflow_share": float((rows > 1).mean()),
        "bytes_per_entry": float(rows.sum() * ROW_BYTES / n - 16),
        "hit_probes": float(1 + (counts * (counts - 1) / 2).sum() / n),
        "miss_probes": float(counts.mean()),
        "hit_rows": float(sum((counts - SLOTS * row).clip(0, SLOTS).sum() * (row + 1) for row in range(8)) / n),
        "miss_rows": float(np.minimum(rows, counts // SLOTS + 1).mean()),  # a row that is not full ends the search
    }


def measured(load: float) -> dict[str, float]:
    """The same of a real map: how many rows and slots there are, and where its keys lie."""
    n = round(load * LOAD_BUCKETS)
    m = HMap(np.int64, np.int64, capacity=13 * LOAD_BUCKETS // 2, seed=7)
    m.set_many(random_keys(n, 7), 0)
    header, arrays, place = m.header(), m.bucket_arrays(), positions(m)
    chains = np.array(m.stats().chain_lengths[1:])
    depth = np.arange(1, len(chains) + 1)
    # A miss reads rows until one has an empty slot behind its last key; only full rows lead on.
    full = (arrays.tophash >= 5).all(1)
    rows, read = np.arange(header.buckets), 0
    while len(rows):
        read += len(rows)
        rows = arrays.overflow[rows[full[rows]]]
        rows = rows[rows != 0]
    return {
        "overflow_share": float(chains[1:].sum() / header.buckets),
        "bytes_per_entry": float((chains * depth).sum() * ROW_BYTES / n - 16),
        "hit_probes": float(place.mean()),
        "miss_probes": float(n / header.buckets),
        "hit_rows": float(((place + SLOTS - 1) // SLOTS).mean()),
        "miss_rows": float(read / header.buckets),
    }


def loads() -> list[dict[str, Any]]:
    """Go's table of load factors: simulated at each, measured where a map can have that load."""
    rows = []
    for load, go in GO_LOADS.items():
        row: dict[str, Any] = {"load": load, "simulated": simulated(load), "go": go}
        if load <= 6.5:
            row["measured"] = measured(load)
        # A map that grows by doubling spends its life between half of this load and all of it.
        cycle = [simulated(at, seed=1)["bytes_per_entry"] for at in np.linspace(load / 2, load, 9)]
        row["bytes_per_entry_cycle"] = float(np.mean(cycle))
        rows.append(row)
    return rows


def churn_simulation(load: float, turns: int = 20, buckets: int = 2048) -> dict[str, Any]:
    """Rows of a table whose keys come and go, over those of a fresh one: with emptied overflow buckets kept in their
    chains, as in Go, and with those at the end of a chain freed, as here. Every key is replaced ``turns`` times."""
    made: dict[str, Any] = {"load": load, "turns": turns, "buckets": buckets}
    n = round(load * buckets)
    for name, freed in (("kept", False), ("freed", True)):
        rng = np.random.default_rng(5)
        chains: list[list[bool]] = [[False] * SLOTS for _ in range(buckets)]

        def insert(bucket: int, chains: list[list[bool]] = chains) -> tuple[int, int]:
            chain = chains[bucket]
            if all(chain):
                chain += [False] * SLOTS
            place = chain.index(False)
            chain[place] = True
            return bucket, place

        live = [insert(bucket) for bucket in rng.integers(buckets, size=n).tolist()]
        fresh = sum(map(len, chains))
        series = [1.0]
        for _ in range(turns):
            for at, bucket in zip(
                rng.integers(n, size=n).tolist(), rng.integers(buckets, size=n).tolist(), strict=True
            ):
                gone, place = live[at]
                chain = chains[gone]
                chain[place] = False
                while freed and len(chain) > SLOTS and not any(chain[-SLOTS:]):
                    del chain[-SLOTS:]
                live[at] = insert(bucket)
            series.append(sum(map(len, chains)) / fresh)
        made[name] = series
    return made


def chains_and_tophash() -> dict[str, Any]:
    """A full map: how long its chains are and which tophashes it holds, beside what chance makes."""
    m = HMap(np.int64, np.int64, seed=11)
    m.set_many(np.arange(FULLEST), 0)  # consecutive numbers: the hash must make them look random
    stats, arrays, buckets = m.stats(), m.bucket_arrays(), m.header().buckets
    likely = scipy.stats.poisson.pmf(np.arange(SLOTS * 12 + 1), stats.load_factor)
    expected = [0.0, likely[: SLOTS + 1].sum()]
    expected += [likely[SLOTS * k + 1 : SLOTS * (k + 1) + 1].sum() for k in range(1, len(stats.chain_lengths) - 1)]
    tophash = np.bincount(arrays.tophash[arrays.tophash >= 5], minlength=256)
    # 256 values of the hash's top byte; those below 5 have 5 added, so 5 to 9 come twice as often.
    share = np.where(np.arange(256) < 5, 0, np.where(np.arange(256) < 10, 2, 1)) / 256
    return {
        "chains": {
            "count": len(m),
            "buckets": buckets,
            "lengths": list(stats.chain_lengths),
            "expected": [float(p) * buckets for p in expected],
        },
        "tophash": chi_square(tophash, share * len(m)),
    }


def chi_square(counts: np.ndarray, expected: np.ndarray) -> dict[str, Any]:
    """Pearson's chi-square over the values that can occur, and its p-value.

    >>> fair = chi_square(np.array([50, 50]), np.array([50.0, 50.0]))
    >>> fair["chi2"], fair["dof"], fair["p"] > 0.9
    (0.0, 1, True)
    """
    seen = expected > 0
    chi2, dof = float(((counts - expected)[seen] ** 2 / expected[seen]).sum()), int(seen.sum()) - 1
    p = float(scipy.stats.chi2.sf(chi2, dof))
    return {"counts": counts.tolist(), "expected": expected.tolist(), "chi2": chi2, "dof": dof, "p": p}


def picture_of(m: HMap) -> dict[str, Any]:
    """A map's ``occupancy()`` as JSON."""
    seen = m.occupancy()
    return {
        "count": len(m),
        "full": seen.full.tolist(),
        "nmain": seen.nmain,
        "old_full": None if seen.old_full is None else seen.old_full.tolist(),
        "evacuated": None if seen.evacuated is None else seen.evacuated.tolist(),
        "nevacuate": seen.nevacuate,
    }


def occupancy() -> dict[str, Any]:
    """A map of 256 buckets just before it grows, and 60 writes later."""
    keys = random_keys(13 * 2**7 + 60, 3).tolist()
    m = HMap(np.int64, np.int64, seed=3)
    for key in keys[: 13 * 2**7]:
        m[key] = 0
    settled = picture_of(m)
    for key in keys[13 * 2**7 :]:
        m[key] = 0
    return {"settled": settled, "growing": picture_of(m)}


def timeline(most: int = 20_000, points: int = 400) -> list[dict[str, int]]:
    """The header and the bytes of a map that grows from empty by single inserts."""
    m, rows = HMap(np.int64, np.int64, seed=3), []
    keys = random_keys(most, 3).tolist()
    marks = set(np.unique(np.geomspace(1, most, points).astype(int)).tolist())
    for count, key in enumerate(keys, start=1):
        m[key] = 0
        if count in marks:
            header = m.header()
            fields = ("count", "B", "buckets", "oldbuckets", "nevacuate", "noverflow")
            rows.append({name: getattr(header, name) for name in fields} | {"nbytes": m.nbytes})
    return rows
