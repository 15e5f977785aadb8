"""What the samples of the verb ``gateway`` say. Everything is computed from the samples alone."""

from typing import Any

from core import estimates
from core.runner import Sample

Row = dict[str, Any]
OURS = "guard"  # the variant that the example is; the others stand beside it
LOADED = ("per_second", "p50_ms", "p99_ms", "workers_cpu_us", "guard_cpu_us")
COUNTED = ("requests", "refused_by_mistake", "unavailable")
TIMES = ("build_s", "effect_s", "load_s")


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Everything that is shown."""
    return {
        "load": load(samples),
        "replays": replays(samples),
        "changes": changes(samples),
        "decisions": [without_measure(each) for each in samples if each["measure"] == "decision"],
        "memory": [without_measure(each) for each in samples if each["measure"] == "memory"],
        "trials": [without_measure(each) for each in samples if each["measure"] == "trial"],
    }


def without_measure(sample: Sample) -> Row:
    """A sample that is a figure as it is."""
    return {name: value for name, value in sample.items() if name != "measure"}


def by_variant(samples: list[Sample], measure: str) -> dict[str, dict[int, Sample]]:
    """The samples of a measure, of each variant by its rounds; ours first."""
    found: dict[str, dict[int, Sample]] = {}
    for sample in samples:
        if sample["measure"] == measure:
            found.setdefault(sample["variant"], {})[sample["round"]] = sample
    return {name: found[name] for name in sorted(found, key=lambda name: (name != OURS, name))}


def load(samples: list[Sample]) -> list[Row]:
    """A row for each variant: medians over the rounds, counts of all; requests per second over ours, by rounds."""
    found, rows = by_variant(samples, "load"), []
    for variant, rounds in found.items():
        row: Row = {"variant": variant} | {name: sum(each[name] for each in rounds.values()) for name in COUNTED}
        row |= {name: estimates.spread([each[name] for each in rounds.values()])._asdict() for name in LOADED}
        both = sorted(rounds.keys() & found.get(OURS, {}).keys())
        if both:
            rates = [[found[name][number]["per_second"] for number in both] for name in (variant, OURS)]
            row["over"] = estimates.paired_ratio(*rates)._asdict()
        row["per_second_interval"] = estimates.median_interval(
            [each["per_second"] for each in rounds.values()]
        )._asdict()
        rows.append(row)
    return rows


def replays(samples: list[Sample]) -> list[Row]:
    """A row for each variant: how many replays were sent, how many were accepted, and the slowest refusal."""
    rows = []
    for variant, rounds in by_variant(samples, "replays").items():
        row: Row = {"variant": variant}
        row |= {name: sum(each[name] for each in rounds.values()) for name in ("replayed", "accepted_again")}
        refusals = [each["slowest_refusal_s"] for each in rounds.values() if each["slowest_refusal_s"] is not None]
        rows.append(row | {"slowest_refusal_s": max(refusals, default=None)})
    return rows


def changes(samples: list[Sample]) -> dict[str, Row]:
    """Of each time its spread, and the longest."""
    found = {name: [each[name] for each in samples if each["measure"] == "change"] for name in TIMES}
    found["check_s"] = [each["seconds"] for each in samples if each["measure"] == "check"]
    return {
        name: {
            "spread": estimates.spread(values)._asdict(),
            "longest": max(values),
        }
        for name, values in found.items()
        if values
    }
