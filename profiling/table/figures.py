"""From raw samples to the rows of the before/after table, with a verdict on each.

Owns the article's figures, what each row means and the rule of the verdicts. A result file's samples always give the
same rows.

The rule, for a row that the article has too:

* reproduced: the fall from before to cache is at least the article's, over the whole 95 % interval;
* direction only: it falls by more than 2 %, and the interval excludes "no change";
* not reproduced: anything else.

Where there are pairs there are two intervals, and both must say so (see ``estimates.Paired``).

A row without a figure in the article says what happened: lower, higher, or ~ where nothing can be said.
"""

from collections.abc import Callable
from typing import Any

from core import estimates
from core.estimates import Estimate, Paired, exact

ARMS = ("before", "oneshot", "cache", "inside", "direct", "batch")
# The share of CPU time is measured three ways that err differently; see ``disagreements``.
SHARES = ("py-spy", "ablation", "cProfile")
# Two ways that differ by more than this many points, and by more than their intervals, cannot both be right.
LARGEST_GAP = 0.03
# Article, section 2.3: pprof's share of CPU time and benchmark allocations of a Go service. Falls as printed there.
ARTICLE_SHARE = (18.7, 4.2, 0.775)
ARTICLE_ALLOCATIONS = (124, 21, 0.831)
# Article, section 2.3: below this hit rate its cache switches itself off.
ARTICLE_HIT_RATE = 0.85

Samples = list[dict[str, Any]]
Row = dict[str, Any]


def verdict(relative: Estimate | Paired, articles_fall: float) -> str:
    """The verdict on a row of the article.

    >>> verdict(Estimate(-0.80, -0.82, -0.79), 0.775), verdict(Estimate(-0.50, -0.52, -0.48), 0.775)
    ('reproduced', 'direction only')
    """
    if max(relative[1:]) <= -articles_fall:
        return "reproduced"
    if relative.value < 0 and estimates.is_change(relative):
        return "direction only"
    return "not reproduced"


def plain_verdict(relative: Estimate | Paired) -> str:
    """The verdict on a row that the article does not have."""
    if not estimates.is_change(relative):
        return "~"
    return "lower" if relative.value < 0 else "higher"


def rows(samples: Samples) -> list[Row]:
    """All rows of the table; a row with no samples is left out, one whose tool was unavailable says why."""
    built = [
        share_row(article_row("py-spy", ARTICLE_SHARE, samples, sampled_share, sampled_ratio)),
        share_row(article_row("ablation", ARTICLE_SHARE, samples, ablated_share, ablated_ratio)),
        share_row(c_calls(article_row("cProfile", ARTICLE_SHARE, samples, profiled_share), samples)),
        article_row("memray", ARTICLE_ALLOCATIONS, samples, allocations_per_op),
        time_row(samples),
        hit_rate_row(samples),
    ]
    return [row for row in built if row]


def of(samples: Samples, measure: str, arm: str) -> Samples:
    """The samples of one arm in one measure; hashing is taken out in the processes that time."""
    if measure == "ablation":
        return [sample for sample in of(samples, "time", arm) if "rest_ns" in sample]
    return [sample for sample in samples if sample["measure"] == measure and sample.get("arm") == arm]


def share_row(row: Row | None) -> Row | None:
    """A row of shares with Amdahl's bound: how much time such a fall can save when all else takes as long as it did."""
    arms = (row or {}).get("arms", {})
    if "before" in arms and "cache" in arms and arms["cache"]["value"] < 1:
        row["amdahl"] = amdahl(arms["before"]["value"], arms["cache"]["value"])
    return row


def amdahl(before: float, after: float) -> float:
    """The change of time if hashing alone got so much faster that its share fell from ``before`` to ``after``.

    >>> round(amdahl(0.187, 0.042), 3)
    -0.151
    """
    return (1 - before) / (1 - after) - 1


def disagreements(rows: list[Row]) -> list[str]:
    """Why the shares of CPU time are not to be believed: where two of the three ways contradict each other.

    py-spy and ablation must agree on the shares of before and cache, within 3 points or their intervals. cProfile's
    shares are known to be too high, since each call costs it time; but all three must come to the same verdict.
    """
    ways = {row["measure"]: row for row in rows if row["measure"] in SHARES and "arms" in row}
    found = []
    if "py-spy" in ways and "ablation" in ways:
        for arm in ("before", "cache"):
            if not all(arm in ways[way]["arms"] for way in ("py-spy", "ablation")):
                continue
            one, other = (ways[way]["arms"][arm] for way in ("py-spy", "ablation"))
            apart = one["low"] > other["high"] or other["low"] > one["high"]
            if apart and abs(one["value"] - other["value"]) > LARGEST_GAP:
                found.append(f"{arm} is {one['value']:.1%} by py-spy and {other['value']:.1%} by ablation")
    verdicts = {name: row["verdict"] for name, row in ways.items() if "verdict" in row}
    if len(set(verdicts.values())) > 1:
        found.append("the fall is " + ", ".join(f"'{verdict}' by {name}" for name, verdict in verdicts.items()))
    return found


def sample_counts(samples: Samples) -> tuple[int, int]:
    """Samples in hashing, and in the loop, of several processes, as if independent (``estimates.independent``)."""
    return estimates.independent([(s["in_hashing"], s["in_loop"]) for s in samples if s["in_loop"]])


def ablated(samples: Samples) -> dict[int, float]:
    """The share of the time that goes when hashing is taken out, by block."""
    return {s["block"]: 1 - s["rest_ns"] / s["whole_ns"] for s in samples}


def ablated_share(samples: Samples) -> Paired:
    """Its median over the blocks."""
    return estimates.median_interval(list(ablated(samples).values()))


def ablated_ratio(after: Samples, before: Samples) -> Paired | None:
    """The ratio of two such shares, by pairs."""
    return pairs(ablated(after), ablated(before))


def pairs(after: dict[int, float], before: dict[int, float]) -> Paired | None:
    """The ratio of two arms' figures, block by block, if enough blocks have both to say anything."""
    shared = sorted(after.keys() & before.keys())
    if len(shared) < estimates.FEWEST_PAIRS:
        return None
    return estimates.paired_ratio([after[block] for block in shared], [before[block] for block in shared])


def c_calls(row: Row | None, samples: Samples) -> Row | None:
    """The row of cProfile with what it counts exactly: calls of C functions in hashing, per op."""
    for arm in (row or {}).get("arms", {}):
        for sample in of(samples, "cProfile", arm):
            if sample.get("c_calls_ops"):
                row.setdefault("c_calls", {})[arm] = sample["c_calls"] / sample["c_calls_ops"]
    return row


def sampled_share(samples: Samples) -> Estimate | None:
    """Share of the samples in the loop that were in hashing, once there are any."""
    in_hashing, in_loop = sample_counts(samples)
    return estimates.wilson(in_hashing, in_loop) if in_loop else None


def sampled_ratio(after: Samples, before: Samples) -> Estimate:
    """The ratio of two such shares."""
    return estimates.share_ratio(sample_counts(after), sample_counts(before))


def profiled_share(samples: Samples) -> Estimate:
    """Share of the loop's seconds that cProfile gives to hashing."""
    return exact(sum(s["hashing_s"] for s in samples) / sum(s["loop_s"] for s in samples))


def allocations_per_op(samples: Samples) -> Estimate | None:
    """The slope between the run of n and the run of 2n operations, once both are there."""
    if len(samples) < 2:
        return None
    small, large = sorted(samples, key=lambda sample: sample["ops"])
    return exact((large["allocations"] - small["allocations"]) / (large["ops"] - small["ops"]))


def article_row(
    measure: str,
    article: tuple[float, float, float],
    samples: Samples,
    estimate: Callable[[Samples], Estimate | Paired | None],
    ratio: Callable[[Samples, Samples], Estimate | Paired | None] | None = None,
) -> Row | None:
    """A row of the article, from the samples of one tool; ``ratio`` where the figures have intervals."""
    row: Row = {"measure": measure, "article": article}
    reasons = [sample["unavailable"] for sample in samples if sample["measure"] == measure and "unavailable" in sample]
    if reasons:
        return row | {"unavailable": reasons[0]}
    groups = {arm: of(samples, measure, arm) for arm in ARMS}
    arms = {arm: value for arm, group in groups.items() if group and (value := estimate(group))}
    if not arms:
        return None
    row["arms"] = {arm: value._asdict() for arm, value in arms.items()}
    for before, key in (("before", "change"), ("oneshot", "change_from_oneshot")):
        if "cache" in arms and before in arms:
            quotient = exact(arms["cache"].value / arms[before].value)
            if found := ratio(groups["cache"], groups[before]) if ratio else quotient:
                change = estimates.as_change(found)
                row[key] = change._asdict()
                if key == "change":
                    row["verdict"] = verdict(change, article[2])
    return row


def per_op(samples: Samples, arm: str) -> dict[int, float]:
    """CPU nanoseconds per operation of an arm, by block."""
    return {sample["block"]: sample["cpu_ns"] / sample["ops"] for sample in of(samples, "time", arm)}


def relative(samples: Samples, after: str, before: str) -> Paired | None:
    """The relative change of time between two arms."""
    ratio = pairs(per_op(samples, after), per_op(samples, before))
    return ratio and estimates.as_change(ratio)


def time_row(samples: Samples) -> Row | None:
    """CPU time per operation, its change by pairs, and the null arm, which decides whether to believe it."""
    times = {arm: list(per_op(samples, arm).values()) for arm in ARMS}
    times = {arm: values for arm, values in times.items() if values}
    if not times:
        return None
    row: Row = {"measure": "time", "article": None}
    row |= {"missing": {s["arm"]: s["unavailable"] for s in samples if s["measure"] == "arm"}}
    row["arms"] = {arm: estimates.spread(values)._asdict() for arm, values in times.items()}
    fall, from_oneshot = relative(samples, "cache", "before"), relative(samples, "cache", "oneshot")
    if fall:
        row |= {"change": fall._asdict(), "verdict": plain_verdict(fall)}
    if from_oneshot:
        row["change_from_oneshot"] = from_oneshot._asdict()
    others = {arm: relative(samples, "cache", arm) for arm in ARMS if arm != "cache"}
    row["loses_to"] = [arm for arm, against in others.items() if against and plain_verdict(against) == "higher"]
    null = relative(samples, "before2", "before")
    if null:
        row["null"] = null._asdict()
        if estimates.may_be_change(null):
            row["verdict"] = "invalid"
    return row


def hit_rate_row(samples: Samples) -> Row | None:
    """Hits among the look-ups of the cache arm, over all its timed passes."""
    infos = [sample["cache_info"] for sample in of(samples, "time", "cache")]
    looked_up = sum(info["hits"] + info["misses"] for info in infos)
    if not looked_up:
        return None
    rate = sum(info["hits"] for info in infos) / looked_up
    asked = sum(sample["keys"] for sample in of(samples, "time", "cache"))
    row: Row = {"measure": "hits", "article": None}
    row |= {"arms": {"cache": exact(rate)._asdict()}, "looked_up": looked_up / asked}
    return row | {"verdict": f"{'above' if rate >= ARTICLE_HIT_RATE else 'below'} {ARTICLE_HIT_RATE:.0%}"}
