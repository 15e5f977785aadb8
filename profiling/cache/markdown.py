"""The documents' tables of the verb ``cache``, as Markdown, from a result document alone."""

from typing import Any

from cache import policies, rules
from render import markdown

Document = dict[str, Any]
Row = dict[str, Any]

HITS = {
    "str, 8 bytes": ("str", 8, False),
    "str, 16": ("str", 16, False),
    "str, 32": ("str", 32, False),
    "str, 64 (never cached)": ("str", 64, False),
    "bytes, 16": ("bytes", 16, False),
    "str, 16, new objects": ("str", 16, True),
}
ARMS = {
    "cache": "cache, hit",
    "dict": "`dict.get`",
    "lru_cache": "`lru_cache`",
    "cachetools": "cachetools",
    "cachebox": "cachebox",
    "direct": "`xxh64()`",
    "oneshot": "xxhash, one-shot",
    "object": "xxhash, object",
    "many": "`hash_many`",
}
POLICIES = ("hit-rate", "always", "cost")
# Where sizes differ; the mean is over all loads.
SIZED_LOADS = ("4000 str, same objects", "8000 str, same objects", "zipf 1.0, same objects")
SIZED_LOADS += ("source code, same objects", "1000 str, new objects", "scan, new objects")


def case(row: Row) -> tuple[str, int, bool]:
    """What sort of key a row is about."""
    return row["kind"], row["length"], row["new_objects"]


def ns(row: Row, arm: str) -> str:
    """An arm's median time."""
    return f"{row['ns'][arm]['median']:.1f}" if arm in row["ns"] else "-"


def hits(document: Document) -> str:
    """What a hit costs, by the sort of key and by the way to the digest."""
    rows = {case(row): row for row in document["figures"]["hits"]}
    cells = ([label, *(ns(rows[key], arm) for arm in ARMS)] for label, key in HITS.items())
    return markdown.table(["key", *ARMS.values()], cells)


def break_even(document: Document) -> str:
    """From which hit rate on a cache pays: a row for each type of key, all its lengths in one cell."""
    rows: dict[tuple[bool, str], list[Row]] = {}
    for row in document["figures"]["break_even"]:
        rows.setdefault((row["new_objects"], row["kind"]), []).append(row)
    cells = []
    for (new, kind), its in sorted(rows.items(), key=lambda item: (item[0][0], item[0][1] != "str")):
        lengths = ", ".join(str(row["length"]) for row in its)
        label = f"{kind} of {lengths} bytes, {'new objects' if new else 'the same objects'}"
        cells.append([label, *(rates([row[f"break_even_{way}"] for row in its]) for way in ("direct", "package"))])
    return markdown.table(["key", "against `xxh64()`", "against xxhash, one-shot"], cells)


def rates(found: list[float | None]) -> str:
    """Hit rates in percent, or that there is none.

    >>> rates([0.77, 0.78]), rates([0.9, None]), rates([None, None])
    ('77, 78 %', '90 %, never', 'never')
    """
    if None in found:
        return ", ".join(dict.fromkeys("never" if rate is None else f"{100 * rate:.0f} %" for rate in found))
    return ", ".join(f"{100 * rate:.0f}" for rate in found if rate is not None) + " %"


def held(document: Document) -> str:
    """What a hit costs by the number of keys that are held; in bold where the cache is the fastest."""
    rows = document["figures"]["held"]
    fastest = [min(row["ns"], key=lambda arm: row["ns"][arm]["median"]) == "cache" for row in rows]
    cells = [["cache, hit", *(markdown.bold(ns(row, "cache"), when) for row, when in zip(rows, fastest, strict=True))]]
    cells += [[ARMS[arm], *(ns(row, arm) for row in rows)] for arm in ("direct", "dict")]
    return markdown.table(["keys held", *(f"{row['held']:,}".replace(",", " ") for row in rows)], cells)


def over_off(one: dict[str, float]) -> str:
    """A ratio with its interval, in bold where the policy loses."""
    return markdown.bold(f"{one['value']:.2f} ({one['low']:.2f}..{one['high']:.2f})", policies.loses(one))


def by_policy(document: Document) -> str:
    """What each policy costs on each load, over a cache that is off."""
    cells = []
    for row in document["figures"]["policies"]:
        ratios = [*(row["over_off"][policy] for policy in POLICIES), row["over_off_late"]["cost"]]
        first = [row["load"], f"{100 * row['hit_rate']:.0f} %", ns(row, policies.OFF)]
        cells.append([*first, *map(over_off, ratios), f"{100 * row['looked_up_late']['cost']:.0f} %"])
    quoted = [f'`"{policy}"`' for policy in POLICIES]
    return markdown.table(["load", "hits", "`xxh64()`, ns", *quoted, '`"cost"`, second half', "looked up"], cells)


def scores(document: Document) -> str:
    """The score of each change of a rule, on the traces that the values were chosen on, and on the others."""
    cells = []
    for change, total in rules.totals(document["figures"]["rules"]).items():
        name, _, value = change.partition(" ")
        row = [change if change in (rules.DEFAULT, rules.ALWAYS) else f"`{name}` {value}"]
        for group, score in total.scores.items():
            row += [f"{score:.1f}", str(total.switched[group])]
        cells.append([*row, total.loss])
    head = ["changed", rules.TUNING, "switched", rules.HELD_OUT, "switched", "what it loses most on"]
    return markdown.table(head, cells)


def sizes(document: Document) -> str:
    """What each size costs under two policies, over a cache that is off."""
    loads = {row["load"]: row["over_off"] for row in document["figures"]["policies"]}
    cells = []
    for policy in ("cost", "hit-rate"):
        arms = [f"{policy} {size}" for size in policies.TRIED]
        for load in SIZED_LOADS:
            cells.append([f'`"{policy}"`, {load}', *(f"{loads[load][arm]['value']:.2f}" for arm in arms)])
        means = [sum(over[arm]["value"] for over in loads.values()) / len(loads) for arm in arms]
        cells.append([f'**`"{policy}"`, mean**', *(f"{mean:.3f}" for mean in means)])
    return markdown.table(["policy, load", *map(str, policies.TRIED)], cells)


def sentences(document: Document) -> list[tuple[str, str]]:
    """What the prose says in figures of this result: the document, and words that must stand in it."""
    made = document["figures"]
    return [
        ("docs/tophash_cache.md", text)
        for text in (
            *of_hits(made),
            *of_policies(made["policies"]),
            *of_maps_and_scans(made),
            *of_scores(made["rules"]),
        )
    ]


def of_hits(made: Document) -> list[str]:
    """A hit beside other ways; what a miss costs, of keys that come again as the same objects."""
    (row,) = [row for row in made["hits"] if case(row) == ("str", 16, False)]
    over = {arm: f"{ratio['value']:.2f}" for arm, ratio in row["cache_over"].items()}
    misses = [row["miss"] for row in made["break_even"] if not row["new_objects"]]
    return [
        f"A hit takes {over['dict']} times as long as `dict.get`, {over['oneshot']} times as long as the one-shot and "
        f"{over['object']} times as long as the article's object form",
        f"Without the loop's {row['ns']['loop']['median']:.0f} ns, a look-up that misses and stores takes "
        f"{min(misses):.0f} to {max(misses):.0f} ns",
    ]


def of_policies(rows: list[Row]) -> list[str]:
    """On how many loads the default policy is on, and what it and the others cost, in the second half of the calls."""

    def ends(some: list[Row], arm: str) -> str:
        values = [row["over_off_late"][arm]["value"] for row in some]
        return f"{min(values):.2f} to {max(values):.2f}"

    on = [row for row in rows if row["looked_up_late"]["cost"] > 0.5]
    off = [row for row in rows if row not in on]
    again = f"Another cache that is off, which does the same work, takes {ends(rows, policies.AGAIN)} on these loads"
    if not on or not off:
        return [f'"cost"` is on for {len(on)} of the {len(rows)} loads', again]
    worst = max(row["over_off_late"]["hit-rate"]["value"] for row in off)
    return [
        f'"cost"` is on for {len(on)} of the {len(rows)} loads, at {ends(on, "cost")} of the time, and off for the '
        f'others, at {ends(off, "cost")}, where `"hit-rate"` takes up to {worst:.2f} times as long',
        again,
    ]


def of_maps_and_scans(made: Document) -> list[str]:
    """A cache inside a map, and a scan."""
    few, many = ({arm: f"{spread['median']:.0f}" for arm, spread in row["ns"].items()} for row in made["maps"])
    scan = made["scan"]
    extra, null = (
        [100 * scan[name][end] for end in ("value", "low", "high")] for name in ("extra", "extra_of_off_again")
    )
    return [
        f'{few["HMap xxh64, cache"]} ns against {few["HMap xxh64"]} with `hash="xxh64"` alone and {few["HMap"]} with '
        "the default hash",
        f"it takes {many['HMap xxh64, cache']} ns against {many['HMap xxh64']}",
        f"takes {extra[0]:.1f} % ({extra[1]:.1f} to {extra[2]:.1f} %, {scan['ns']['on']['n']} processes) longer",
        f"takes {null[0]:.2f} % ({null[1]:.2f} to {null[2]:.2f} %) longer",
        f"{scan['looked_up']:,} keys are looked up, in the warm-up and {scan['probes']} probes",
    ]


def of_scores(rows: list[Row]) -> list[str]:
    """Which changes score higher on the traces held out, and what the distance between the two rates is for."""
    totals = rules.totals(rows)
    held_out = {change: total.scores[rules.HELD_OUT] for change, total in totals.items()}
    usual = held_out[rules.DEFAULT]
    higher = [name for name in held_out if held_out[name] > usual and not name.startswith("max_entries")]
    said = f"On those held out, {len(higher)} {'other scores' if len(higher) == 1 else 'others score'} higher"
    if higher:
        gain = max(held_out[name] for name in higher) - usual
        said += f", by up to {gain:.1f} points: {', '.join(f'`{name}`' for name in higher)}"
    near, far = (sum(totals[change].switched.values()) for change in ("resume_at 0.85", rules.DEFAULT))
    return [said, f"makes {near} switches {far}"]
