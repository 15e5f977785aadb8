"""A worker's side of the guard. Requests that come while one frame is on the way go into the next one, together.

When the guard does not answer, GuardGoneError, and the request is refused. What was on its way may have been burnt.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol

from guard_frames import LENGTH, MOST_RECORDS, RECORD_FORMAT

PATIENCE = 5.0  # seconds for a frame: a guard that takes longer is as good as gone. One that ends is noticed at once


class GuardGoneError(Exception):
    """The guard did not answer."""


class ReplayGuard(Protocol):
    """What the gateway needs of a guard. Another one may keep its ids elsewhere."""

    async def ask(self, transaction: int, rate: int, limit: int, expires: float) -> int:
        """One of the answers of guard_frames."""

    async def figures(self) -> dict[str, Any]:
        """For the status page."""

    def close(self) -> None: ...


class GuardClient:
    """A connection to the guard, made again when it is lost."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._waiting: list[tuple[bytes, asyncio.Future[int]]] = []
        self._sending: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # one frame is on the way
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, transaction: int, rate: int, limit: int, expires: float) -> int:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((RECORD_FORMAT.pack(transaction, rate, limit, expires), answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await answer

    async def figures(self) -> dict[str, Any]:
        return json.loads(await self._exchange(b""))

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_RECORDS], self._waiting[MOST_RECORDS:]
            try:
                answers = await self._exchange(b"".join(record for record, _ in batch))
                if len(answers) != len(batch):
                    raise GuardGoneError
            except GuardGoneError as error:
                for _, future in batch:
                    if not future.done():  # done: the caller has hung up
                        future.set_exception(error)
            else:
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        self._sending = None

    async def _exchange(self, question: bytes) -> bytes:
        async with self._turn:
            try:
                async with asyncio.timeout(PATIENCE):
                    if self._streams is None:
                        self._streams = await asyncio.open_unix_connection(self._path)
                    reader, writer = self._streams
                    writer.write(LENGTH.pack(len(question)) + question)
                    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                    return await reader.readexactly(length)
            except (OSError, EOFError, TimeoutError) as error:
                self.close()
                raise GuardGoneError from error
            except BaseException:
                self.close()  # cancelled: the answer would be taken for that of the next frame
                raise
