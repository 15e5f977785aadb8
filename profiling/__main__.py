"""``python profiling VERB [--quick] [--out DIR]``: the verbs and their errors.

Owns the command line. Calls ``run`` of the chosen verb with the options as keywords. Exit status: 0; 1 for a failed
run; 2 for a wrong command line; 130 when interrupted (what was measured is still printed and written).
"""

import argparse
import errno
import importlib
import signal
import sys
from pathlib import Path

from table import workload

# What a full or unwritable disk says; other errors of the system are bugs and keep their traceback.
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES}
# Verbs that measure: each is run with --quick and --out, and writes VERB.json.
VERBS = {
    "table": "the before/after table of the hash cache, beside the article's figures",
    "growth": "when and why the table grows, what an insert costs at worst, and pictures of it",
    "fragmentation": "what holes and overflow buckets cost, and what compact() gives back",
    "floods": "keys that patterns, or somebody who knows the hash, put together, beside random keys",
    "layout": "header and bucket field by field, checked against the memory itself",
    "cache": "the hash cache beside other ways to a digest: costs, where it pays, and what its rules are worth",
    "leaks": "what keeps a map's memory alive, the collector's share, and whether any public call leaves something",
    "peers": "every operation beside dict and the other maps that are installed: Python, C++ and Go",
    "files": "opening, look-ups, sharing and saving of files, beside memory, np.save, and other libraries' files",
    "ids": "codes for keys and the way back, beside maps, np.take, and what users of pandas do; memory per key",
    "floor": "look-ups of a frozen map beside np.take that reads the same memory",
    "gateway": "the example of an API gateway beside other guards, redis and facts inside Rego; beside the article",
    "cluster": "builds and look-ups over processes and nodes, beside merges and with failures; a model of larger ones",
    "instructions": "does any operation execute more instructions than was recorded",
    "builds": "the same calls over several builds of the package, for judging a change to a kernel",
}

# Where a verb's ``run`` is, if not in the file ``run.py`` of the folder of its name.
MODULES = {"profile": "table.profile_arm"}


def command_line() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = argparse.ArgumentParser(prog="python profiling", description="Measurements of pyhmap and tophash_cache.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary)
        verb.add_argument("--quick", action="store_true", help="a smaller run, in a minute or two")
        verb.add_argument("--out", type=Path, metavar="DIR", help="folder for the results (default: profiling/out)")
    workload.add_options(verbs.choices["table"])
    built = "a checkout with its extensions built in place; the others are compared with the first"
    verbs.choices["builds"].add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help=built)
    frozen = "frozen maps instead of HMap: what their constants cost, in time and in bytes"
    verbs.choices["builds"].add_argument("--frozen", action="store_true", help=frozen)

    part = "measure this part alone; may be given several times"
    parts = ("merge", "memory", "faults", "network", "links")
    verbs.choices["cluster"].add_argument("--only", action="append", default=[], choices=parts, help=part)

    summary = "one arm of the table under cProfile or py-spy; leaves the files of the profiler"
    profile = verbs.add_parser("profile", help=summary, description=summary)
    profile.add_argument("tool", choices=("cprofile", "pyspy"))
    profile.add_argument("arm", metavar="ARM", help="before, oneshot, cache, direct or batch")
    profile.add_argument("--against", metavar="ARM", help="pyspy: draw the difference from this arm, too")
    profile.add_argument("--seconds", type=float, default=3.0, help="pyspy: CPU seconds to sample (default: 3)")
    profile.add_argument("--out", type=Path, metavar="DIR", help="folder for the files (default: profiling/out)")
    workload.add_options(profile)

    summary = "two result files of one verb side by side: what changed, and where no change can be shown"
    compare = verbs.add_parser("compare", help=summary, description=summary)
    compare.add_argument("before", type=Path, metavar="A.json")
    compare.add_argument("after", type=Path, metavar="B.json")

    summary = "checks that the committed results are complete and that the documents quote them correctly"
    record = verbs.add_parser("record", help=summary, description=summary)
    write = "first make the tables and pictures of README.md and docs/ from profiling/results/"
    record.add_argument("--write", action="store_true", help=write)

    summary = "one HTML page of every verb's results, to be opened without a network"
    report = verbs.add_parser("report", help=summary, description=summary)
    which = "results to show (default: those in --out, or else the committed ones)"
    report.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help=which)
    report.add_argument("--out", type=Path, metavar="DIR", help="folder for report.html (default: profiling/out)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one verb and return the exit status."""
    options = vars(command_line().parse_args(arguments))
    name = options.pop("verb")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a time limit keeps what was measured, as Ctrl-C does
    sys.stdout.reconfigure(errors="replace")  # a pipe in the C locale has no arrow and no plus-minus sign

    try:
        importlib.import_module("tophash_cache")
        importlib.import_module("pyhmap")
        importlib.import_module("rich")
        importlib.import_module("psutil")
        importlib.import_module("scipy")
        verb = importlib.import_module(MODULES.get(name, f"{name}.run"))
    except ImportError as error:
        return fail(f"{error}: build first, with `make build`, or pip install -e '.[profiling]'")

    from core import records, runner

    if "out" in options:
        options["out"] = options["out"] or records.DEFAULT_FOLDER
    try:
        ended_by = verb.run(**options)
    except (records.OutputError, ValueError) as error:
        return fail(str(error))
    except OSError as error:
        if error.errno not in DISK:
            raise
        return fail(
            f"cannot write {error.filename or options['out']}: {error.strerror}; choose another folder with --out"
        )
    if ended_by == runner.INTERRUPTED:
        return 130
    return fail(ended_by) if ended_by else 0


def fail(message: str) -> int:
    """Say in one line on standard error what went wrong."""
    print(f"python profiling: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
