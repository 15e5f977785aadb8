"""A process that diagnoses programs and prints each diagnosis as a line of JSON.

    worker.py amortised     each planted leak of this group once
    worker.py awaits 50     this clean program so many times

One process diagnoses all programs of a group, as in a user's session: the objects of one program must not affect the
next.
"""

import asyncio  # noqa: F401 (before the programs, which use it)
import gc
import json
import sys

from pyhmap import debug

# Hides the objects of the libraries from the collector: each reading of the meters would traverse them. The programs
# are imported afterwards, so that theirs are seen.
gc.freeze()

import programs  # noqa: E402


def report(name: str, rounds: int, calls: int) -> None:
    """Diagnose one program."""
    found = debug.leakcheck(getattr(programs, name), rounds=rounds, calls=calls)
    gc.enable()  # some programs turn it off
    print(json.dumps({"name": name, "page": str(found)} | found.to_json()), flush=True)


def main(what: str, times: int = 1) -> None:
    """Diagnose the programs that are asked for."""
    for _ in range(times):
        for name in programs.GROUPS.get(what, [what]):
            report(name, rounds=5, calls=8 if what in programs.CLEAN else 10)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
