"""A new generation: built and tested, then followed by the first worker, then by all; or by none again.

The first worker uses it for a while. If it cannot open it, ends, or fails in a request, as it does when the policy
gives no decision, it goes back, and no other worker has seen it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generation import CHANNELS, Publishing, publishing
from settings import Run
from supervisor import status

PATIENCE = 10.0  # seconds for a worker to follow
WATCHED = 1.0  # seconds for which the first worker is watched
EVERY = 0.02

Told = Callable[[str], None]


class RolledBackError(Exception):
    """A worker did not do well with a generation, and all use the one before again; the message says why."""


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
    """First worker, then all; or all back. Without a running gateway, both at once."""
    before = {channel: store.following(channel) for channel in CHANNELS}
    ports = _ports(run)
    try:
        store.publish(number, "canary")
        if ports:
            _watch(ports[0], number, watched)
            told(f"generation {number}: used by the first worker")
        store.publish(number, "stable")
        for port in ports[1:]:
            _wait(port, number)
    except RolledBackError:
        for channel, earlier in before.items():
            if earlier and store.following(channel) != earlier:
                store.publish(earlier, channel)
        raise
    told(f"generation {number}: used by all")


def _watch(port: int, number: int, seconds: float) -> None:
    """Let a worker use a generation for a while."""
    first = _wait(port, number)
    until = time.monotonic() + seconds
    while True:
        last = _wait(port, number)
        if last["pid"] != first["pid"]:
            raise RolledBackError("the first worker ended")
        if last["failures"]:
            raise RolledBackError(f"{last['failures']} requests failed in the first worker")
        if time.monotonic() >= until:
            return
        time.sleep(EVERY)


def _wait(port: int, number: int) -> dict[str, Any]:
    """The figures of a worker, once it uses the generation that it is to follow."""
    until, told = time.monotonic() + PATIENCE, None
    while time.monotonic() < until:
        told = status(port)
        if told and told["asked"] == number:
            if told["generation"] == number:
                return told
            if told["reload_error"]:
                raise RolledBackError(told["reload_error"])
        time.sleep(EVERY)
    raise RolledBackError(f"a worker does not use generation {number} after {PATIENCE:.0f} s")


def _ports(run: Run) -> list[int]:
    """Of the status of each worker; empty if no gateway runs.

    The supervisor keeps these sockets open while it runs: a worker that is busy, or has ended, is not passed over.
    """
    try:
        ports = [*json.loads(run.processes.read_text())["workers"].values()]
    except FileNotFoundError:
        return []
    with socket.socket() as asked:
        return [] if asked.connect_ex(("127.0.0.1", ports[0])) else ports
