"""One arm under one profiler, for those who want the profile and not the table.

``python profiling/tools_cprofile.py ARM`` leaves ``cprofile-ARM.pstats`` and prints its busiest functions.
``python profiling/tools_pyspy.py ARM [--against ARM]`` leaves ``pyspy-ARM.folded``, ``.svg`` (flame graph) and
``.speedscope.json``, and, against another arm, ``pyspy-OTHER-ARM.svg``, the differential flame graph. The workload is
that of ``table``, with the same options.

Owns this command line. Imports the siblings of the verb ``table``.
"""

import argparse
import json
import pstats
import sys
import tempfile
from pathlib import Path

import arms
import flames
import records
import runner
import table
import tools_pyspy
import workload
from corpus import Corpus

# Every fourth file of the standard library, as much made traffic: a profile to look at needs no more.
EVERY = 4
SECONDS = 3.0


def main(arguments: list[str], *, tool: str) -> int:
    """Profile as the command line says; the exit status."""
    parser = argparse.ArgumentParser(prog=f"profiling/tools_{tool}.py", description=__doc__.splitlines()[0])
    parser.add_argument("arm", choices=[name for name in arms.NAMES if name not in table.WITHOUT_SHARE])
    parser.add_argument("--out", type=Path, default=records.DEFAULT_FOLDER, metavar="DIR", help="folder for the files")
    if tool == "pyspy":
        parser.add_argument("--against", choices=arms.NAMES, metavar="ARM", help="draw what differs from this arm, too")
        parser.add_argument("--seconds", type=float, default=SECONDS, help="CPU seconds to sample (default: 3)")
    workload.add_options(parser)
    options = vars(parser.parse_args(arguments))
    chosen = {name: options[name] for name in ("input", "traffic", "key_type", "key_bytes")}
    try:
        records.prepare(options["out"])
        words, _ = workload.load(every=EVERY, **chosen)
        if tool == "cprofile":
            written = [trace(options["arm"], words, options["out"])]
        else:
            written = sample(options["arm"], options["against"], words, options["seconds"], options["out"])
    except (ValueError, records.OutputError, runner.MeasurementError, runner.ToolUnavailableError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(f"Written: {path}")
    return 0


def trace(arm: str, words: Corpus, out: Path) -> Path:
    """One pass under cProfile; prints the busiest functions."""
    path = out / f"cprofile-{arm}.pstats"
    runner.run_json(table.worker("cprofile", arm, words, "--to", path), text=words.text)
    pstats.Stats(str(path)).strip_dirs().sort_stats("tottime").print_stats(8)
    return path


def sample(arm: str, against: str | None, words: Corpus, seconds: float, out: Path) -> list[Path]:
    """Passes under py-spy, of one arm or of two."""
    texts, loops = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in dict.fromkeys([*([against] if against else []), arm]):
            path = Path(scratch) / f"{name}.folded"
            counted = table.sample(name, words, seconds, path)
            share = f"{counted['in_hashing']:,} of {counted['in_loop']:,} samples in hashing"
            print(f"{name}: {share}, at {tools_pyspy.RATE} a second")
            stacks = flames.parse(path.read_text(encoding="utf-8", errors="replace"))
            loops[name] = flames.below(stacks, "run_requests")
            texts[f"pyspy-{name}.folded"] = flames.folded(stacks)
            texts[f"pyspy-{name}.svg"] = flames.flame_graph(loops[name], f"arm {name}")
            texts[f"pyspy-{name}.speedscope.json"] = json.dumps(flames.speedscope(stacks, f"arm {name}"))
    if against:
        title = f"{arm} against {against}"
        texts[f"pyspy-{against}-{arm}.svg"] = flames.difference(loops[against], loops[arm], title)
    for name, text in texts.items():
        records.write_text(out / name, text)
    return [out / name for name in texts]
