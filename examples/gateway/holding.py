"""Bytes of private memory for each id that is known: of the guard, of redis, of a dict. A process for each holder.

The ids are new, of 64 bits, and come evenly over the window, in batches. What is counted is the unique set size of the
process that has them, before and after. redis keeps no file here.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil

from guard import Guard
from guard_frames import ACCEPTED, RECORD
from settings import WINDOW
from variants import redis_command

BATCH = 4096
PATIENCE = 30.0  # seconds for redis to start


class HoldingError(Exception):
    """A holder does not do what it should; the message says what."""


def batches(count: int) -> Iterator[np.ndarray]:
    """New ids, in batches."""
    rng = np.random.default_rng(1)
    for begin in range(0, count, BATCH):
        yield rng.integers(0, 2**64 - 1, min(BATCH, count - begin), np.uint64, endpoint=True)


def of_guard(count: int) -> float:
    now = time.time()
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        guard = Guard(Path(folder), clock=lambda: now)

        def add(ids: np.ndarray) -> None:
            nonlocal now
            asked = np.zeros(len(ids), RECORD)
            asked["id"], asked["limit"], asked["expires"] = ids, 2**32 - 1, now + 1
            if not (guard.decide(asked) == ACCEPTED).all():
                raise HoldingError("the guard refused a new id")
            now += WINDOW * len(ids) / count

        add(np.random.default_rng(2).integers(0, 2**63, BATCH, np.uint64))  # what it needs once is not counted
        held = grown(psutil.Process(), lambda: [add(ids) for ids in batches(count)])
        if guard.figures()["ids"] < count:
            raise HoldingError("the guard has forgotten ids")
        guard.close()
        return held / count


def of_dict(count: int) -> float:
    """Each with the time when it expires, as a worker of variants.py has them."""
    kept: dict[int, float] = {}
    until = time.time()
    held = grown(
        psutil.Process(),
        lambda: [kept.update((each, until + each % WINDOW) for each in ids.tolist()) for ids in batches(count)],
    )
    return held / len(kept)


def of_redis(count: int) -> float:
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        path = f"{folder}/redis.sock"
        server = subprocess.Popen(redis_command(path, Path(folder), kept=False), stdout=subprocess.DEVNULL)
        try:
            with _connected(path, server) as connection:
                _set(connection, np.random.default_rng(2).integers(0, 2**63, BATCH, np.uint64))
                held = grown(psutil.Process(server.pid), lambda: [_set(connection, ids) for ids in batches(count)])
        finally:
            server.terminate()
            server.wait()
    return held / count


def _connected(path: str, server: subprocess.Popen[bytes]) -> socket.socket:
    until = time.monotonic() + PATIENCE
    while True:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(path)
            return made
        except OSError:
            made.close()
            if server.poll() is not None or time.monotonic() > until:
                raise HoldingError("redis-server does not start") from None
        time.sleep(0.02)


def _set(connection: socket.socket, ids: np.ndarray) -> None:
    """SET id 1 NX PX, for a batch: the bytes that a client would send, without the time that it needs."""
    head = b"*6\r\n$3\r\nSET\r\n$8\r\n"
    tail = b"\r\n$1\r\n1\r\n$2\r\nNX\r\n$2\r\nPX\r\n$7\r\n3600000\r\n"
    connection.sendall(b"".join(head + struct.pack("<Q", each) + tail for each in ids.tolist()))
    left = len(ids) * len(b"+OK\r\n")
    while left:
        answer = connection.recv(min(left, 65536))
        if not answer or b"-" in answer or b"$" in answer:
            raise HoldingError(f"redis answered {answer[:80]!r}")
        left -= len(answer)


def grown(process: psutil.Process, act: Callable[[], object]) -> int:
    """By how many bytes the private memory of a process grows."""
    before = process.memory_full_info().uss
    act()
    return process.memory_full_info().uss - before


HOLDERS = {"guard": of_guard, "dict": of_dict, "redis": of_redis}


def main(holder: str, count: str) -> int:
    try:
        held = HOLDERS[holder](int(count))
    except HoldingError as error:
        print(f"{holder}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"bytes_per_id": held}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
