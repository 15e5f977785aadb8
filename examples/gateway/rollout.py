"""A new generation: built and tested, then followed by the first worker, then by all; or by none again.

The first worker uses it for a while. If it cannot open it, ends, or meets a policy without a decision, it goes back,
and no other worker has seen it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generation import Publishing, publishing
from settings import Run
from supervisor import status

PATIENCE = 10.0  # seconds for a worker to follow
WATCHED = 1.0  # seconds for which the first worker is watched
EVERY = 0.02

Told = Callable[[str], None]


class RolledBackError(Exception):
    """The first worker did not do well with a generation, and uses the one before again; the message says why."""


def publish(run: Run, source: Path, *, watched: float = WATCHED, told: Told = print) -> int:
    """Build a generation of a folder and roll it out. Returns its number."""
    with publishing(run.store) as store:
        number = store.build(source)
        told(f"generation {number}: checked, compiled, tested")
        roll_out(run, store, number, watched, told)
    return number


def back(run: Run, *, told: Told = print) -> int:
    """Roll out the generation that was in use before the current one. Returns its number."""
    with publishing(run.store) as store:
        current = store.following("stable")
        before = store.before(current) if current else 0
        if not before:
            raise RolledBackError("there is no generation before the current one")
        roll_out(run, store, before, 0.0, told)
    return before


def roll_out(run: Run, store: Publishing, number: int, watched: float, told: Told) -> None:
    """First worker, then all. Without a running gateway, both at once."""
    ports = _ports(run)
    if ports:
        _try_first(store, number, ports[0], watched)
        told(f"generation {number}: used by the first worker")
    else:
        store.publish(number, "canary")
    store.publish(number, "stable")
    for port in ports[1:]:
        _wait(port, number)
    told(f"generation {number}: used by all")


def _try_first(store: Publishing, number: int, port: int, watched: float) -> None:
    before, earlier = store.following("canary"), status(port)
    store.publish(number, "canary")
    try:
        now = _wait(port, number)
        failures = _failures(earlier) if earlier and earlier["pid"] == now["pid"] else 0
        until = time.monotonic() + watched
        while time.monotonic() < until:
            time.sleep(min(EVERY, watched))
            last = status(port)
            if last is None or last["pid"] != now["pid"]:
                raise RolledBackError("the first worker ended")
            if _failures(last) > failures:
                raise RolledBackError("the policy gave no decision for a request")
    except RolledBackError:
        if before:
            store.publish(before, "canary")
        raise


def _wait(port: int, number: int) -> dict[str, Any]:
    """The figures of a worker, once it uses a generation."""
    until, told = time.monotonic() + PATIENCE, None
    while time.monotonic() < until:
        told = status(port)
        if told and told["generation"] == number:
            return told
        if told and told["asked"] == number and told["reload_error"]:
            raise RolledBackError(told["reload_error"])
        time.sleep(EVERY)
    raise RolledBackError(f"a worker does not use generation {number} after {PATIENCE:.0f} s")


def _failures(figures: dict[str, Any]) -> int:
    return figures["requests"].get("policy_failed", 0)


def _ports(run: Run) -> list[int]:
    """Of the status of each worker; empty if no gateway runs."""
    try:
        ports = [*json.loads(run.processes.read_text())["workers"].values()]
    except FileNotFoundError:
        return []
    return ports if any(status(port) for port in ports) else []
