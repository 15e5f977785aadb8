"""`python -m pyhmap VERB ...`: files, and leaks. `python -m pyhmap --help` lists the verbs.

Owns the command line; each verb is a module of ``_commands``. A refusal is one line on stderr, never a traceback. When
nothing reads the output any more (``| head``), and after Ctrl-C, the process ends silently by that signal, as shells
expect.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from pyhmap._commands import build, check, inspect, leakcheck, stats
from pyhmap._commands.output import Refusal

VERBS = inspect, check, stats, build, leakcheck


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pyhmap", description="Files of frozen maps, and leaks of any program."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for verb in VERBS:
        verb.add_to(verbs)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except Refusal as refusal:
        print(f"python -m pyhmap {options.verb}: {refusal}", file=sys.stderr)
        return refusal.status
    return status


def end_by(number: signal.Signals) -> None:
    """End the process as a signal does that nobody handles."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def run() -> int:
    """Run the command with the streams of the process."""
    for stream in sys.stdout, sys.stderr:
        if stream is not None:  # a name of a file, or a text in it, may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        if sys.platform == "win32":
            os._exit(1)  # there is no such signal; an orderly end would try to write again
        end_by(signal.SIGPIPE)
    except KeyboardInterrupt:
        end_by(signal.SIGINT)
    except OSError as error:  # of the output: each verb has its own errors refused
        print(f"python -m pyhmap: cannot write the output: {error.strerror}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(run())
