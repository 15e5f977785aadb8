"""The documents' tables of the verb ``growth``, as Markdown, from a result document alone."""

from typing import Any

from growth import latency
from render import markdown

SHOWN_LOADS = (5.0, 6.0, 6.5, 7.0, 8.0)
LIMIT = 6.5  # the load at which a map grows, in bold


def inserts(document: dict[str, Any]) -> str:
    """What single inserts cost while a table grows, and its memory."""
    made = document["figures"]
    rows = []
    for name, row in (made["latency"]["libraries"] | {"clock alone": made["latency"]["clock"]}).items():
        cells = [name, f"{row['percentiles']['50']:,.0f} ns", f"{row['percentiles']['99.9'] / 1e3:.1f} µs"]
        cells += [duration(row["recurring_worst_ns"]), ", ".join(map(duration, row["worst_ns"]))]
        series = made["memory"]["libraries"].get(name)
        rows.append([*cells, *(f"{each:.0f}" for each in latency.peak_bytes(series))] if series else [*cells, "", ""])
    head = ("", "median", "99.9 %", "worst that recurs", "worst of each run", "bytes per entry at the end", "at most")
    return markdown.table(head, rows)


def duration(ns: float) -> str:
    """A time with its unit.

    >>> duration(4627), duration(142313), duration(221354493)
    ('4.6 µs', '0.14 ms', '221 ms')
    """
    if ns < 1e4:
        return f"{ns / 1e3:.1f} µs"
    return f"{ns / 1e6:.2f} ms" if ns < 1e7 else f"{ns / 1e6:.0f} ms"


def loads(document: dict[str, Any]) -> str:
    """What a limit on the load costs: measured where a map can have that load, else simulated."""
    rows = []
    for row in document["figures"]["loads"]:
        if row["load"] in SHOWN_LOADS:
            found = row.get("measured", row["simulated"])
            cells = [
                markdown.bold(f"{row['load']:.1f}", row["load"] == LIMIT),
                f"{100 * found['overflow_share']:.1f} %",
            ]
            cells += [f"{found['bytes_per_entry']:.1f}", f"{row['bytes_per_entry_cycle']:.1f}"]
            rows.append([*cells, f"{100 * (found['hit_rows'] - 1):.1f} %"])
    overhead = "overhead per entry at the limit, bytes"
    head = ("limit", "buckets with overflow", overhead, "mean over a growth cycle", "hits that read a second row")
    return markdown.table(head, rows)


def sentences(document: dict[str, Any]) -> list[tuple[str, str]]:
    """What the prose says in figures of this result: the document, and words that must stand in it."""
    made = document["figures"]
    worst = {name: duration(row["recurring_worst_ns"]) for name, row in made["latency"]["libraries"].items()}
    peaks = [row["peak_over_fresh"] for row in made["churn"]["loads"]]
    times = [row["time_over_fresh"]["get_many"] for row in made["churn"]["loads"]]
    return [
        ("README.md", f"the slowest that recurs takes {worst['pyhmap']} of CPU time (`dict`: {worst['dict']})"),
        ("docs/design.md", f"is now {worst['pyhmap']}, at the inserts that map a new array"),
        ("docs/measurements.md", f"at most {min(peaks):.2f} to {max(peaks):.2f} times the memory of a fresh one"),
        ("docs/measurements.md", f"batch look-ups take {min(times):.2f} to {max(times):.2f} times as long"),
    ]
