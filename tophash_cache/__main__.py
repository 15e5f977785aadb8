"""`python -m tophash_cache [--json] [--config FILE]`: the settings, and whether a cache pays on this machine.

Owns the command line and its output. Exit status: 0, or 2 if the configuration is invalid. An invalid environment
variable is an error here; the import of the package only warns.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tophash_cache import break_even, config

OTHERS = {"package": "xxhash.xxh64_intdigest", "direct": "xxh64()"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the settings and the costs; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tophash_cache", description="Settings of the digest cache, and whether it pays on this machine."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--config", metavar="FILE", help="read the settings of this TOML file")
    options = parser.parse_args(arguments)
    faults = config.faults(os.environ)
    if options.config and not faults:
        try:
            config.load_config(options.config)
        except config.ConfigError as error:
            faults.append(str(error))
    for fault in faults:
        print(f"python -m tophash_cache: {fault}", file=sys.stderr)
    if faults:
        return 2
    report = describe(break_even.measure())
    if options.json:
        print(json.dumps(report, indent=1))
    else:
        config.show_config()
        print()
        print_costs(report)
    return 0


def describe(costs: list[break_even.Costs]) -> dict[str, Any]:
    """The settings with their origins, the costs with their break-even rates, and the verdict."""
    floor = config.current()["hit_rate_floor"][0]
    rows = [
        asdict(one)
        | {
            "break_even_direct": one.break_even(one.direct),
            "break_even_package": one.break_even(one.package),
        }
        for one in costs
    ]
    return {
        "settings": {name: {"value": value, "origin": origin} for name, (value, origin) in config.current().items()},
        "costs_ns": rows,
        "verdict": [verdict(rows, floor, "package"), verdict(rows, floor, "direct"), policy(rows, floor)],
    }


def verdict(rows: list[dict[str, Any]], floor: float, other: str) -> str:
    """A sentence: the keys for which a cache at its hit-rate floor pays against one of the two ways to hash.

    Example:
        >>> row = {"kind": "str", "length": 8, "new_objects": False, "break_even_direct": 0.7}
        >>> verdict([row], 0.85, "direct")
        'At a hit rate of 85 % the cache pays against xxh64() for: str of 8 bytes (same object).'
    """
    paying = [row for row in rows if pays(row, floor, other)]
    return f"At a hit rate of {percent(floor)} the cache pays against {OTHERS[other]} for: {names(paying) or 'none'}."


def policy(rows: list[dict[str, Any]], floor: float) -> str:
    """A sentence: the policy that pays, against `xxh64()`, which a cache in bypass uses.

    Example:
        >>> row = {"kind": "str", "length": 8, "new_objects": False, "break_even_direct": 0.7}
        >>> policy([row, row | {"new_objects": True, "break_even_direct": None}], 0.85)
        'The policy that pays here is "cost": "hit-rate" keeps a losing cache on, for: str of 8 bytes (new object).'
    """
    losing = [row for row in rows if not pays(row, floor, "direct")]
    if not losing:
        return f'The policies "cost" and "hit-rate" do the same here: from {percent(floor)} on the cache pays.'
    if all(row["break_even_direct"] is None for row in rows):
        return 'No policy pays here: no hit costs less than xxh64(), and "cost" leaves the cache off.'
    return f'The policy that pays here is "cost": "hit-rate" keeps a losing cache on, for: {names(losing)}.'


def pays(row: dict[str, Any], rate: float, other: str) -> bool:
    """Whether a cache with this hit rate costs less than one of the two ways to hash."""
    break_even: float | None = row[f"break_even_{other}"]
    return break_even is not None and break_even <= rate


def names(rows: list[dict[str, Any]]) -> str:
    """The keys of some rows, as a list."""
    return ", ".join(f"{row['kind']} of {row['length']} bytes ({objects(row)})" for row in rows)


def objects(row: dict[str, Any]) -> str:
    """How a key of this row comes again."""
    return "new object" if row["new_objects"] else "same object"


def print_costs(report: dict[str, Any]) -> None:
    """Print the verdict, and a line for each type and length of key."""
    for sentence in report["verdict"]:
        print(sentence)
    print()
    print("                             ns per call                           pays from a hit rate of, against")
    print("key    bytes  comes again as     hit    miss  xxh64()  xxhash      xxh64()    xxhash")
    for row in report["costs_ns"]:
        figures = f"{row['hit']:8.1f}{row['miss']:8.1f}{row['direct']:9.1f}{row['package']:8.1f}"
        rates = f"{percent(row['break_even_direct']):>12} {percent(row['break_even_package']):>10}"
        print(f"{row['kind']:<6} {row['length']:>5}  {objects(row):<14}{figures} {rates}")
    print()
    print(
        "hit, miss: TopHashCache.hash, with keys and entries in the processor's inner caches. xxhash: xxh64_intdigest"
    )
    print("of that package, after encode() for str. hash_many() takes less time than any of them.")


def percent(rate: float | None) -> str:
    """A hit rate in percent.

    Example:
        >>> percent(0.5), percent(None)
        ('50 %', 'never')
    """
    return "never" if rate is None else f"{100 * rate:.0f} %"


if __name__ == "__main__":
    sys.exit(main())
