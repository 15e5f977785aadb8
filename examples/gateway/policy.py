"""Policies: a folder of Rego modules, compiled to a bundle, and tested before anybody may use it.

Modules that end in _test.rego hold tests: rules that begin with test_, which must be true. A process of its own
compiles and runs them, so that a policy that crashes or never ends is refused as one whose tests fail. A file data.json
beside them is Rego's `data`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regopy import Input, Interpreter, RegoError
from regopy.interpreter import BundleFormat

DECISION, MASKING = "gateway/decision", "masking/fields"
METHODS = ("shown", "pseudonym", "last_four")  # of masking
PATIENCE = 30  # seconds for compiling and testing
STATUSES = range(400, 500)  # of a refusal
NOTHING_KNOWN = {"issuer": "", "client": None, "tenant": None, "route": None, "body": None}


class PolicyError(Exception):
    """A policy that is refused, or that gives no decision; the message says why."""


@dataclass(frozen=True)
class Decision:
    rule: str
    status: int

    @property
    def allow(self) -> bool:
        return self.status == 200


class Policy:
    """A compiled bundle. One thread at a time may use it."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter()
        try:
            self._bundle = self._interpreter.load_bundle(str(path), BundleFormat.Binary)
        except RegoError as error:
            raise PolicyError(f"{path.name} cannot be loaded: {error}") from None
        self.masking: dict[str, str] = self._ask(MASKING, {})
        if not isinstance(self.masking, dict) or not set(self.masking.values()) <= set(METHODS):
            raise PolicyError(f"data.masking.fields must give one of {', '.join(METHODS)} for each field")

    def decide(self, asked: dict[str, Any]) -> Decision:
        """The decision on a request and its facts. Without a proper one, PolicyError: nothing is allowed by mistake."""
        said = self._ask(DECISION, asked)
        match said:
            case {"rule": str(rule), "status": int(status)} if (status == 200) == (rule == "allowed"):
                if (status == 200 or status in STATUSES) and re.fullmatch("[a-z_]{1,40}", rule):
                    return Decision(rule, status)
        raise PolicyError("data.gateway.decision must be {'rule': ..., 'status': ...}, with 200 for 'allowed' alone")

    def _ask(self, entrypoint: str, asked: dict[str, Any]) -> Any:
        self._interpreter.set_input(Input(asked))
        try:
            output = self._interpreter.query_bundle_entrypoint(self._bundle, entrypoint)
        except RegoError as error:
            raise PolicyError(f"{entrypoint}: {error}") from None
        if not output.ok() or not output.results or not output.results[0].expressions:
            raise PolicyError(f"{entrypoint} is not defined for this input")
        return output.results[0].expressions[0]


def prepare(source: Path, target: Path) -> list[str]:
    """Compile a folder of modules to a bundle file and run their tests. Returns the tests; PolicyError if one fails."""
    command = [sys.executable, __file__, str(source), str(target)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise PolicyError(f"the policies were not compiled and tested within {PATIENCE} s") from None
    if done.returncode < 0:
        raise PolicyError(f"the compiler or a test ended with signal {-done.returncode}: it cannot do what they ask")
    last = done.stdout.rpartition("\n")[2]
    result = json.loads(last) if last.startswith("{") else {"error": done.stderr.strip() or "no result"}
    if "error" in result:
        raise PolicyError(result["error"])
    return result["tests"]


def _prepare(source: Path, target: Path) -> list[str]:
    modules = {path.name: path.read_text() for path in sorted(source.glob("*.rego"))}
    if not modules:
        raise PolicyError(f"no modules (*.rego) in the folder {source.name}")
    tests = []
    for name, text in modules.items():
        package = re.search(r"^package\s+([\w.]+)", text, re.MULTILINE)
        if package is not None and name.endswith("_test.rego"):
            found = re.findall(r"^(test_\w+)", text, re.MULTILINE)
            tests += [f"{package[1].replace('.', '/')}/{each}" for each in dict.fromkeys(found)]
    if not tests:
        raise PolicyError("no tests (test_... in *_test.rego): policies without tests are not published")
    known = _data(source / "data.json")
    checked, bundle = _compile(modules, known, [*tests, DECISION, MASKING])
    checked.set_input(Input({}))
    failed = []
    for each in tests:
        output = checked.query_bundle_entrypoint(bundle, each)
        if not output.ok() or [result.expressions for result in output.results] != [[True]]:
            failed.append(each.replace("/", "."))
    if failed:
        raise PolicyError(f"{len(failed)} of {len(tests)} tests failed: {', '.join(failed)}")
    shipped = {name: text for name, text in modules.items() if not name.endswith("_test.rego")}
    compiler, bundle = _compile(shipped, known, [DECISION, MASKING])
    compiler.save_bundle(str(target), bundle, BundleFormat.Binary)
    if Policy(target).decide(NOTHING_KNOWN).allow:
        raise PolicyError("a request of which nothing is known is allowed")
    return [each.replace("/", ".") for each in tests]


def _data(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path.name}: cannot be read as JSON: {error}") from None
    if not isinstance(data, dict):
        raise PolicyError(f"{path.name}: must be an object, whose fields are those of `data`")
    return data


def _compile(modules: dict[str, str], data: dict[str, Any], entrypoints: list[str]) -> tuple[Interpreter, Any]:
    compiler = Interpreter()
    if data:
        compiler.add_data(data)
    for name, text in modules.items():
        try:
            compiler.add_module(name, text)
        except RegoError as error:
            raise PolicyError(f"{name}: {_messages(error)}") from None
    try:
        bundle = compiler.build(None, entrypoints)
    except RegoError as error:
        raise PolicyError(_messages(error)) from None
    if not bundle.ok():
        raise PolicyError("the modules cannot be compiled together")
    return compiler, bundle


def _messages(error: RegoError) -> str:
    """What a person can use of an error, which shows a whole syntax tree."""
    found = re.findall(r"\(errormsg \d+:(.*?)\)\n", f"{error}\n")
    return "; ".join(dict.fromkeys(found)) or str(error)[:500]


def main(source: str, target: str) -> int:
    """The process of prepare()."""
    try:
        result: dict[str, Any] = {"tests": _prepare(Path(source), Path(target))}
    except (PolicyError, OSError, ValueError) as error:
        result = {"error": str(error)}
    print(f"\n{json.dumps(result)}", end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
