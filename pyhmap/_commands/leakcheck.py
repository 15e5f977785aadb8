"""`python -m pyhmap leakcheck module:function`: does this function leak?

Exit status: 0 if nothing leaks (memory that the system can take back is not a leak), 1 for a leak, 2 if the check
cannot be made. Progress goes to stderr, the report or the JSON to stdout. Only this module imports ``pyhmap.debug``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from pyhmap._commands.output import Refusal


def add_to(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verbs.add_parser("leakcheck", help="call a function repeatedly; report whether, how and where it leaks")
    help_on_target = "a function without parameters, also asynchronous or a generator function; the module is imported"
    parser.add_argument("target", metavar="module:function", help=help_on_target)
    parser.add_argument("--rounds", type=int, default=10, help="snapshots per trial (%(default)s)")
    parser.add_argument("--calls", type=int, default=100, help="calls per round in the first trial (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the report")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the function; print the report."""
    diagnosis = checked(options.target, options.rounds, options.calls)
    print(json.dumps(diagnosis.to_json(), indent=1) if options.json else diagnosis)
    return int(diagnosis.verdict.is_leak)


def checked(target: str, rounds: int, calls: int) -> Any:
    """The diagnosis of the function that ``target`` names."""
    from pyhmap import debug
    from pyhmap.debug.rounds import tracing

    with tracing():  # from the import on: objects allocated before tracing, and replaced later, look like growth
        return leakchecked(debug, target, rounds, calls)


def leakchecked(debug: Any, target: str, rounds: int, calls: int) -> Any:
    """The diagnosis. Whatever the function raises becomes a refusal, even ``SystemExit``: its status is not a
    verdict."""
    function = resolved(target)
    try:
        return debug.leakcheck(function, rounds=rounds, calls=calls, progress=lambda line: print(line, file=sys.stderr))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        notes = getattr(error, "__notes__", [])
        if not notes and isinstance(error, (TypeError, ValueError)):  # no call was made
            raise Refusal(f"{target}: {error}") from None
        if not notes:
            raise
        frames = traceback.extract_tb(error.__traceback__)
        own = os.path.dirname(debug.__file__)
        where = next((f for f in reversed(frames) if not f.filename.startswith((own, __file__))), None)
        place = f" ({where.filename}:{where.lineno})" if where else ""
        raise Refusal(f"{target} raised {type(error).__name__}: {error}{place}, {notes[-1]}") from error


def resolved(target: str) -> Callable[[], Any]:
    """The function that ``module:name`` or ``module:name.name`` stands for."""
    module_name, colon, path = target.partition(":")
    if not (module_name and colon and path):
        raise Refusal(f"{target!r} is not of the form module:function: give, for example, service:handle")
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise Refusal(
                f"there is no module {error.name!r} in {os.getcwd()} or on the path: set PYTHONPATH"
            ) from None
        raise Refusal(f"module {module_name!r} needs the module {error.name!r}: install it") from error
    except (Exception, SystemExit) as error:
        raise Refusal(f"importing {module_name!r} raised {type(error).__name__}: {error}") from error
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            near = ", ".join(sorted(other for other in dir(found) if callable(getattr(found, other, None))))[:200]
            raise Refusal(f"{module_name!r} has no {path!r}; it has {near or 'no functions'}") from None
    if not callable(found):
        raise Refusal(f"{target} is a {type(found).__name__}, which cannot be called: name a function")
    return found  # type: ignore[no-any-return]
