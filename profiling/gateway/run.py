"""The verb ``gateway``: the example of an API gateway beside other ways to do the same, and beside the article.

Owns the run. What is measured, and how, is the example's: it is started as a process of its own, and writes its samples
to a file, of which an interrupted run keeps what is there.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from core import records, runner
from core.environment import PROJECT
from gateway import article, figures, pictures, tables

EXAMPLE = PROJECT / "examples" / "gateway"
STANDARD_ERROR = 2  # where verbs tell their progress
WORKLOAD = {
    "load": "honest requests that are signed beforehand, over connections that stay open; callers, gateway and the "
    "service behind share the machine",
    "replays": "each token to all workers at the same time",
    "change": "a rule and its test are changed; effect: until all workers judge by it, the first one being watched for "
    "a second before; load: until all use one that is ready",
    "decision": "a policy without the gateway around it: told the facts of maps, or with the facts as Rego's data",
    "memory": "what the unique set size of a process grows by, for each id that it knows",
}


def run(*, quick: bool, out: Path) -> str:
    """Measure, print, draw and write ``gateway.json``; return why the run ended early, if it did."""
    records.prepare(out)
    made, ended_by = measured(quick=quick)
    document = records.begin("gateway", quick=quick, workload=WORKLOAD, config=made.get("plan", {}))
    samples = made.get("samples", [])
    document |= {"left_out": made.get("left_out", {}), "packages": made.get("packages", {})}
    found = figures.figures(samples)
    document |= {"ended_by": ended_by, "figures": found, "verdicts": article.verdicts(found), "samples": samples}
    runner.conclude(document, out, tables.show, pictures.drawings)
    return ended_by


def measured(*, quick: bool) -> tuple[dict[str, Any], str]:
    """What the example has measured, and why it ended early."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.json"
        command = [sys.executable, str(EXAMPLE), "measure", "--json", str(path), *(["--quick"] if quick else [])]
        process = subprocess.Popen(
            command,
            stdout=STANDARD_ERROR,
            stderr=subprocess.PIPE,
            text=True,
            env=runner.worker_environment(0),
            start_new_session=True,  # Ctrl-C comes to it once, from here, so that it ends its own processes
        )
        ended_by = ""
        try:
            _, complaint = process.communicate()
            if process.returncode:
                ended_by = (complaint.strip() or f"exit status {process.returncode}").splitlines()[-1]
        except KeyboardInterrupt:
            process.terminate()
            process.communicate()
            ended_by = runner.INTERRUPTED
        return (json.loads(path.read_bytes()) if path.exists() else {}), ended_by
