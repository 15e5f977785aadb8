"""``python examples/gateway``: a gateway with policies, a replay guard, masked logs and reloads. README.md says more.

Owns the command line. What is not installed is told before anything else is imported.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settings import Run

NEEDED = ["aiohttp", "cryptography", "httptools", "jwt", "opentelemetry.sdk", "prometheus_client", "psutil", "pyhmap"]
NEEDED += ["regopy", "starlette", "uvicorn", "uvloop"]
SHORTEST = 3.0  # seconds in which all events of the demonstration find their place


def command_line() -> argparse.ArgumentParser:
    """The verbs and their options."""
    parser = argparse.ArgumentParser(prog="python examples/gateway", description=__doc__.partition("\n")[0])
    parser.set_defaults(run=None)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")

    def verb(name: str, said: str, *, run: str | None = None) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=said, description=said)
        if run:
            made.add_argument("--run", type=Path, default=Path("build/gateway"), help=f"{run} (default: build/gateway)")
        return made

    demo = verb("demo", "start it, send traffic, change policies, kill processes, and tell what came of it (default)")
    demo.add_argument("--seconds", type=float, default=20.0, help="how long the traffic lasts (default: 20)")
    trials = verb("trials", "what it promises, tried: one token at two workers, a killed guard, switched generations")
    trials.add_argument("--tokens", type=int, default=10_000, help="default: 10000")
    trials.add_argument("--kills", type=int, default=20, help="of the guard (default: 20)")
    trials.add_argument("--switches", type=int, default=1_000, help="of generations (default: 1000)")
    measured = verb("measure", "measure it, beside the same gateway with other guards, and with the facts inside Rego")
    measured.add_argument("--json", type=Path, required=True, metavar="FILE", help="where the results go")
    measured.add_argument("--quick", action="store_true", help="a smaller run, in half a minute")
    start = verb("start", "start it, and let it run until Ctrl-C", run="the folder it keeps everything in")
    start.add_argument("--port", type=int, default=8080, help="of the gateway, on 127.0.0.1 (default: 8080)")
    made = verb("token", "print a token of the example's issuer", run="the folder of the gateway")
    made.add_argument("client", nargs="?", default="clinic-7-desk", help="default: clinic-7-desk")
    for name, said in (
        ("check", "compile the policies, run their tests, check the facts and keys"),
        ("publish", "the same; then roll it out to the first worker, then to all"),
        ("back", "roll out what was in use before"),
    ):
        verb(name, said, run="the folder of the gateway; its folder source has policies and facts")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Do what is asked; return the exit status."""
    options = command_line().parse_args(arguments)
    missing = [name for name in NEEDED if not _is_there(name)]
    if missing:
        return fail(f"not installed: {', '.join(missing)}; pip install -e '.[examples]'")
    from facts import FactsError
    from generation import GenerationError
    from policy import PolicyError
    from rollout import RolledBackError
    from supervisor import StartError
    from tokens import KeysError

    try:
        return _do(options)
    except (PolicyError, FactsError, KeysError, GenerationError) as error:
        return fail(f"refused, and nothing was changed: {error}")
    except RolledBackError as error:
        return fail(f"rolled back: {error}")
    except (StartError, OSError) as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130


def _do(options: argparse.Namespace) -> int:
    import demo
    import rollout
    from generation import check
    from settings import Run

    if options.verb in (None, "demo"):
        seconds = getattr(options, "seconds", 20.0)
        if not SHORTEST <= seconds <= 600:
            return fail(f"--seconds must be {SHORTEST:.0f} to 600")
        with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
            return 0 if demo.demonstrate(Run(Path(folder)), seconds) else 1
    if options.verb == "trials":
        import trials

        with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
            run = Run(Path(folder))
            return 0 if trials.run_all(run, options.tokens, options.kills, options.switches) else 1
    if options.verb == "measure":
        import measuring

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no process is left behind
        measuring.measure(options.json, measuring.QUICK if options.quick else measuring.FULL)
        return 0
    run = Run(options.run.resolve())
    source = demo.source_of(run)
    if options.verb == "token":
        print(demo.issuer_of(run).token(options.client))
    elif options.verb == "check":
        made = Path(tempfile.mkdtemp())
        try:
            found = check(source, made)
        finally:
            shutil.rmtree(made)
        print(f"{len(found['tests'])} tests passed; {', '.join(f'{n:,} {name}' for name, n in found['rows'].items())}")
    elif options.verb == "publish":
        rollout.publish(run, source)
    elif options.verb == "back":
        rollout.back(run)
    else:
        _serve(run, source, options.port)
    return 0


def _serve(run: Run, source: Path, port: int) -> None:
    import rollout
    from generation import publishing
    from supervisor import Supervisor

    with publishing(run.store) as store:
        published = store.following("stable")
    if not published:
        rollout.publish(run, source)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    with Supervisor(run, port, told=lambda line: print(line, flush=True)) as supervisor:
        print(f"gateway: http://127.0.0.1:{supervisor.port}")
        print(f"status:  {', '.join(f'http://127.0.0.1:{each}' for each in supervisor.status_ports)}")
        print(f"policies and facts: {source}", flush=True)
        signal.pause()


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False


def fail(message: str) -> int:
    """Say in one line what is wrong."""
    print(f"python examples/gateway: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
