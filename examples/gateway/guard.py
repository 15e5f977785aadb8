"""The guard: one process that says of each request whether it was seen before, so that all workers share one truth.

It listens on a Unix socket. A worker sends the requests of a moment as one frame (guard_frames.py). For each, the guard
sees three numbers: a keyed hash of issuer, client and transaction id, a keyed hash of client and route, and the limit
of the latter. The limit is counted first: an id is burnt only when nothing else can refuse the request.

An id is kept for the window after it was last seen, even when it was refused: a token that was refused as a replay
once is never accepted later. Ids are in the journal before they are answered. The counts of the limits are not: a
guard that restarts counts from zero.

Two ids of 64 bits are the same by chance. Among 10^7 that are kept, a new one is refused wrongly in one of 1.8 * 10^12
requests. Without the key of the hash, nobody can make such ids.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from guard_frames import ACCEPTED, LENGTH, MOST_RECORDS, OUTSIDE, OVER_LIMIT, RECORD, REPLAYED
from journal import Journal
from parent import end_with_parent
from pyhmap import ExpiringMap, ExpiringSet
from settings import LEEWAY, RATE_WINDOW, WINDOW, Run

PARTS = 8  # of the window: an id is kept an eighth of it too long at most


class Guard:
    """Decides, counts and remembers. The service around it is serve()."""

    def __init__(
        self,
        folder: Path,
        *,
        window: float = WINDOW + LEEWAY,
        rate_window: float = RATE_WINDOW,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._window = window
        self._clock = clock
        self._now = clock()
        self._ids = ExpiringSet("u8", window, parts=PARTS, renew=True, clock=lambda: self._now)
        self._counts = ExpiringMap("u8", "u4", rate_window, clock=lambda: self._now)
        self._journal = Journal(folder, window, PARTS)
        for ids, at in self._journal.read(self._now):
            self._ids.add_many(ids, at=at)
        self._restored = len(self._ids)
        self._answered = [0] * 4

    def decide(self, asked: np.ndarray) -> np.ndarray:
        """The answer to each record."""
        now = self._tick()
        answers = np.full(len(asked), OUTSIDE, np.uint8)
        inside = np.flatnonzero((asked["expires"] > now) & (asked["expires"] <= now + self._window))
        counts = self._counts.add_many(asked["rate"][inside])
        answers[inside] = OVER_LIMIT
        left = inside[counts <= asked["limit"][inside]]
        ids = asked["id"][left]
        new = self._ids.add_many(ids)
        if len(ids):
            self._journal.append(ids, now)
        answers[left] = np.where(new, ACCEPTED, REPLAYED)
        for answer, number in enumerate(np.bincount(answers, minlength=4).tolist()):
            self._answered[answer] += number
        return answers

    def figures(self) -> dict[str, Any]:
        """What the status page shows."""
        self._tick()
        names = ("accepted", "replayed", "over_limit", "outside")
        return {
            "pid": os.getpid(),
            "ids": len(self._ids),
            "ids_bytes": self._ids.nbytes,
            "load_factors": [round(each.count / each.buckets, 2) for each in self._ids.headers()],
            "restored": self._restored,
            "journal_bytes": self._journal.nbytes(),
            "answers": dict(zip(names, self._answered, strict=True)),
        }

    def _tick(self) -> float:
        """The time. A clock that is set back brings no id back."""
        self._now = max(self._now, self._clock())
        return self._now

    def close(self) -> None:
        self._journal.close()


async def serve(guard: Guard, path: str) -> None:
    """Answer on a Unix socket. A journal that cannot be written ends it, and the process: workers then refuse."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                if length % RECORD.itemsize or length > MOST_RECORDS * RECORD.itemsize:
                    break  # not a frame: no worker sends that
                asked = np.frombuffer(await reader.readexactly(length), RECORD)
                said = guard.decide(asked).tobytes() if length else json.dumps(guard.figures()).encode()
                writer.write(LENGTH.pack(len(said)) + said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the worker is gone
        except Exception as error:
            if not failed.done():
                failed.set_exception(error)
        finally:
            writer.close()

    Path(path).unlink(missing_ok=True)  # of a guard that was killed; the journal's lock says that none runs
    server = await asyncio.start_unix_server(answer, path)
    os.chmod(path, 0o600)
    async with server:
        await failed


def main(folder: str) -> int:
    run = Run(Path(folder))
    try:
        guard = Guard(run.journal)
    except BlockingIOError:
        print("guard: another guard has the journal", file=sys.stderr)
        return 1
    end_with_parent()
    uvloop.run(serve(guard, run.guard))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
