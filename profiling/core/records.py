"""Result files: one JSON object with the environment, the workload, every raw sample and the figures.

Owns the form of a file and where it goes.
"""

import json
import os
from pathlib import Path
from typing import Any

from core import environment

# Raised when a reader of an older file would misread a newer one; added fields do not raise it.
SCHEMA_VERSION = 1
DEFAULT_FOLDER = environment.HARNESS / "out"
COMMITTED = environment.HARNESS / "results"


class OutputError(Exception):
    """The result folder cannot be written; the message names it and the reason."""


def prepare(folder: Path) -> None:
    """Make the folder and prove that a file can be written there, before minutes are spent on measuring."""
    probe = folder / ".write-test"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}; choose another folder with --out") from error


def begin(
    verb: str, *, quick: bool, workload: dict[str, Any], config: dict[str, Any], name: str = "", options: str = ""
) -> dict[str, Any]:
    """The head of a result. Its verb adds ``ended_by`` (empty for a whole run), ``samples`` and ``figures``.

    ``name`` sets the file of a workload of choice apart from the verb's usual one, ``options`` are what chose it.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "verb": verb,
        "name": f"{verb}-{name}" if name else verb,
        "mode": "quick" if quick else "full",
        "command": f"python profiling {verb}" + (" --quick" if quick else "") + options,
        "environment": environment.describe(),
        "workload": workload,
        "config": config,
    }


def write(document: dict[str, Any], folder: Path) -> Path:
    """Write ``<name>.json`` and return its path; a file that was there stays whole until the new one is."""
    path = folder / f"{document.get('name', document['verb'])}.json"
    write_text(path, json.dumps(document, indent=1) + "\n")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; ``OutputError`` says which and why not."""
    unfinished = path.with_name(f"{path.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another folder with --out") from error
