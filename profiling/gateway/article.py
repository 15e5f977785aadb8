"""The article's figures of its chapter 5, and what they are beside the example's.

Owns the article's figures and the verdicts. A verdict is judged by the worse end of an interval. The article's gateway
is another one, on other machines, with other traffic: reproduced means that the example does as well.
"""

from typing import Any

from core import estimates
from gateway.figures import OURS

Figures = dict[str, Any]
Verdict = tuple[str, str, str, str]  # what, the article, here, the verdict
REPRODUCED, DIRECTION, NOT_REPRODUCED = "reproduced", "direction only", "not reproduced"
NOT_MEASURABLE, NOT_MEASURED, TOO_FEW = "not measurable here", "not measured", "too few"
EFFECT = 47 * 60.0, 12.0  # seconds, before and after
LOADING = 42.0, 1.8
PER_SECOND = 8_400.0, 23_600.0
WRONGLY_REFUSED = 0.00017
REACTION = 8.3


def lower(value: float, before: float, after: float) -> str:
    """The verdict on what is to be low.

    >>> [lower(value, 42.0, 1.8) for value in (1.0, 20.0, 50.0)]
    ['reproduced', 'direction only', 'not reproduced']
    """
    return REPRODUCED if value <= after else DIRECTION if value < before else NOT_REPRODUCED


def verdicts(figures: Figures) -> list[Verdict]:
    """All rows, in the article's order."""
    found = {row["variant"]: row for row in figures["load"]}
    return [
        effect(figures["changes"]),
        loading(figures["changes"]),
        per_second(found.get(OURS)),
        wrongly_refused(found.get(OURS)),
        blocked({row["variant"]: row for row in figures["replays"]}.get(OURS)),
        reaction({row["variant"]: row for row in figures["replays"]}.get(OURS)),
        debugging(figures["changes"]),
    ]


def effect(changes: Figures) -> Verdict:
    what, said = "a change of policy to its effect", "47 min → 12 s"
    if "effect_s" not in changes:
        return what, said, "", NOT_MEASURED
    its = changes["effect_s"]
    here = f"{its['spread']['median']:.1f} s in all workers, at most {its['longest']:.1f} s"
    return what, said, here, lower(its["longest"], *EFFECT)


def loading(changes: Figures) -> Verdict:
    what, said = "loading a policy while running", "42 to 58 s → at most 1.8 s"
    if "load_s" not in changes:
        return what, said, "", NOT_MEASURED
    its = changes["load_s"]
    return what, said, f"at most {its['longest']:.2f} s", lower(its["longest"], *LOADING)


def per_second(row: Figures | None) -> Verdict:
    what, said = "requests per second and node", "8,400 → 23,600"
    if row is None:
        return what, said, "", NOT_MEASURED
    before, after = PER_SECOND
    least = row["per_second_interval"]["low"]
    verdict = REPRODUCED if least >= after else DIRECTION if least > before else NOT_REPRODUCED
    return what, said, f"{row['per_second']['median']:,.0f}, callers and service on the machine", verdict


def wrongly_refused(row: Figures | None) -> Verdict:
    what, said = "refused by mistake", "at most 0.017 %"
    if row is None:
        return what, said, "", NOT_MEASURED
    share = estimates.wilson(row["refused_by_mistake"], row["requests"])
    here = f"{row['refused_by_mistake']} of {row['requests']:,}: at most {100 * share.high:.4f} %"
    if share.high <= WRONGLY_REFUSED:
        return what, said, here, REPRODUCED
    return what, said, here, TOO_FEW if share.value <= WRONGLY_REFUSED else NOT_REPRODUCED


def blocked(row: Figures | None) -> Verdict:
    here = "" if row is None else f"{row['replayed'] - row['accepted_again']:,} of {row['replayed']:,} replays"
    return "dangerous requests refused", "32,000 a day", here, NOT_MEASURABLE


def reaction(row: Figures | None) -> Verdict:
    what, said = "reaction to replays", "8.3 s after the first"
    if row is None or row["slowest_refusal_s"] is None:
        return what, said, "", NOT_MEASURED
    here = f"each refused, within {1000 * row['slowest_refusal_s']:,.0f} ms"
    if row["accepted_again"]:
        return what, said, f"{row['accepted_again']:,} of {row['replayed']:,} accepted", NOT_REPRODUCED
    return what, said, here, REPRODUCED if row["slowest_refusal_s"] <= REACTION else NOT_REPRODUCED


def debugging(changes: Figures) -> Verdict:
    """People were not timed. What they wait for was."""
    its = changes.get("check_s")
    here = f"compiling all, with all tests: {its['spread']['median']:.2f} s" if its else ""
    return "debugging a policy", "3.5 → 0.7 person-days", here, NOT_MEASURABLE
