"""``python profiling VERB [--quick] [--out DIR]``: the verbs and their errors.

Owns the command line. Imports the sibling of the chosen verb. Exit status: 0, 1 for a failed run, 2 for
a wrong command line, 130 when interrupted (what was measured is printed and written all the same).
"""

import argparse
import importlib
import signal
import sys
from pathlib import Path

VERBS = {
    "table": "the before/after table of the hash cache, beside the article's figures",
    "growth": "when and why the table grows, what an insert costs at worst, and pictures of it",
    "fragmentation": "what holes and overflow buckets cost, and what compact() gives back",
    "layout": "header and bucket field by field, checked against the memory itself",
    "cache": "the hash cache beside other ways to a digest: costs, where it pays, and what its rules are worth",
    "peers": "every operation beside dict and the other maps at hand: Python, C++ and Go",
    "instructions": "does any operation execute more instructions than was recorded",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return the exit status."""
    parser = argparse.ArgumentParser(prog="python profiling", description="Measurements of pyhmap and tophash_cache.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary)
        verb.add_argument("--quick", action="store_true", help="a smaller run, in a minute or two")
        verb.add_argument("--out", type=Path, metavar="DIR", help="folder for the results (default: profiling/out)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit keeps what was measured, as Ctrl-C does
    sys.stdout.reconfigure(errors="replace")  # a pipe in the C locale has no arrow and no plus-minus sign

    try:
        importlib.import_module("tophash_cache")
        importlib.import_module("pyhmap")
        importlib.import_module("rich")
        importlib.import_module("psutil")
        verb = importlib.import_module(options.verb)
    except ImportError as error:
        return fail(f"{error}: build first, with `make build`, or pip install -e '.[profiling]'")

    import records
    import runner

    try:
        ended_by = verb.run(quick=options.quick, out=options.out or records.DEFAULT_FOLDER)
    except (records.OutputError, ValueError) as error:
        return fail(str(error))
    if ended_by == runner.INTERRUPTED:
        return 130
    return fail(ended_by) if ended_by else 0


def fail(message: str) -> int:
    """Say in one line on standard error what went wrong."""
    print(f"python profiling: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
