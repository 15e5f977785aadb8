"""A process that diagnoses programs and prints the diagnoses, a line of JSON each.

    worker.py planted       each planted leak once
    worker.py clean 50      each clean program so many times

One process for all of them, as a user's session would be: what one program leaves behind must not confuse the next.
"""

import gc
import json
import sys

import programs

from pyhmap import debug


def report(name: str, rounds: int, calls: int) -> None:
    """Diagnose one program."""
    found = debug.leakcheck(getattr(programs, name), rounds=rounds, calls=calls)
    gc.enable()  # some programs turn it off
    print(json.dumps({"name": name, "page": str(found)} | found.to_json()), flush=True)


def main(what: str, times: int = 1) -> None:
    """Diagnose the programs that are asked for."""
    if what == "clean":
        gc.freeze()  # what was there before is not theirs; collecting takes a fifth of the time without it
    for _ in range(times):
        for name in programs.PLANTED if what == "planted" else programs.CLEAN:
            report(name, *((5, 20) if what == "planted" else (5, 8)))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
