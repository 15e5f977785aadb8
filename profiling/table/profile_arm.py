"""The verb ``profile``: one arm of ``table`` under one profiler, for those who want the profile and not the table.

``python profiling profile cprofile ARM`` leaves ``cprofile-ARM.pstats`` and prints its busiest functions.
``python profiling profile pyspy ARM [--against ARM]`` leaves ``pyspy-ARM.folded``, ``.svg`` (flame graph) and
``.speedscope.json``, and, against another arm, ``pyspy-OTHER-ARM.svg``, the differential flame graph. The workload is
that of ``table``, with the same options.
"""

import json
import pstats
import tempfile
from pathlib import Path
from typing import Any

from core import records, runner
from core.corpus import Corpus
from render import flames
from table import arms, workload
from table import run as table
from table.tools import pyspy

# Every fourth file of the standard library, as much made traffic: a profile to look at needs no more.
EVERY = 4


def run(tool: str, arm: str, *, out: Path, against: str | None, seconds: float, **chosen: Any) -> str:
    """Profile and say what was written; return why the run failed, if it did. ``chosen``: options of the workload."""
    profiled = [name for name in arms.NAMES if name not in table.WITHOUT_SHARE]
    for name in (arm, against or arm):
        if name not in profiled:
            raise ValueError(f"no arm {name!r} can be profiled: choose one of {', '.join(profiled)}")
    if tool == "cprofile" and against:
        raise ValueError("--against goes with pyspy: cProfile's files are not drawn")
    records.prepare(out)
    words, _ = workload.load(every=EVERY, **chosen)
    try:
        written = [trace(arm, words, out)] if tool == "cprofile" else sample(arm, against, words, seconds, out)
    except (runner.MeasurementError, runner.ToolUnavailableError) as error:
        return str(error)
    for path in written:
        print(f"Written: {path}")
    return ""


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
            print(f"{name}: {share}, at {pyspy.RATE} per second")
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
