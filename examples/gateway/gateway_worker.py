"""A worker: the gateway on the port that all workers share, and its status on a port of its own.

Both sockets are made by the supervisor. It keeps them open: while a worker restarts, the others accept what
comes to the shared one. Started as ``gateway_worker.py FOLDER NUMBER CHANNEL SHARED OWN``, the last two being
descriptors.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

import status
import telemetry
from facts import Facts
from gateway_app import Gateway
from generation import ERRORS, Follower
from guard_client import GuardClient, GuardGoneError, ReplayGuard
from http_protocol import Protocol
from parent import end_with_parent
from settings import Run
from upstream_client import UpstreamClient

EVERY = 0.05  # seconds between two looks for a newer generation


class Worker:
    """One worker. ``guard`` and ``open_facts`` may be of another kind."""

    def __init__(
        self, run: Run, number: int, channel: str, guard: ReplayGuard, open_facts: type[Facts] = Facts
    ) -> None:
        self._run, self._number, self._channel = run, number, channel
        self._follower = Follower(run.store, channel, open_facts)
        self._guard = guard
        self._log = telemetry.Lines(run.logs / f"worker-{number}.jsonl")
        self._metrics = telemetry.Metrics()
        self._reloads, self._last_reload, self._reload_error = 0, "", ""
        self._failed_before = 0  # requests, when the generation in use was opened
        self._spans = telemetry.tracer(run.logs / f"spans-{number}.jsonl", number)

    async def serve(self, shared: socket.socket, own: socket.socket) -> None:
        tracer, upstream = self._spans.get_tracer("gateway"), UpstreamClient(self._run.upstream)
        self._gateway = Gateway(
            self._guard, upstream, self._run.secrets, self._log, self._metrics, tracer, self._number
        )
        page = status.application(self._figures, self._metrics.registry)
        port = own.getsockname()[1]

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await (page if scope["server"][1] == port else self._gateway)(scope, receive, send)

        config = uvicorn.Config(
            app,
            http=Protocol,
            access_log=False,
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        await self._reload()
        following = asyncio.create_task(self._follow())
        await uvicorn.Server(config).serve([shared, own])
        following.cancel()
        await upstream.close()
        self._guard.close()
        self._spans.shutdown()
        self._log.close()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self._reload()

    async def _reload(self) -> None:
        """Use the newest generation, if it can be used."""
        try:
            newer = await self._follower.newer()
        except ERRORS as error:
            if str(error) != self._reload_error:
                self._reload_error = str(error)
                self._metrics.reloads.labels("failed").inc()
                self._log.write(worker=self._number, reload="failed", error=type(error).__name__)
            return
        if newer is None:
            return
        self._gateway.generation = newer
        self._reload_error = ""
        self._failed_before = telemetry.failed(self._metrics.by_rule())
        self._reloads += 1
        self._last_reload = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._metrics.reloads.labels("done").inc()
        self._metrics.generation.set(newer.number)
        for name, its in newer.facts.sizes().items():
            self._metrics.rows.labels(name).set(its["rows"])
        self._log.write(worker=self._number, reload="done", generation=newer.number)

    async def _figures(self) -> status.Figures:
        generation, by_rule = self._gateway.generation, self._metrics.by_rule()
        guard = None
        with contextlib.suppress(GuardGoneError):
            guard = await self._guard.figures()
        return {
            "worker": self._number,
            "pid": os.getpid(),
            "channel": self._channel,
            "generation": generation.number if generation else 0,
            "asked": self._follower.asked,
            "last_reload": self._last_reload,
            "reloads": self._reloads,
            "reload_error": self._reload_error,
            "requests": by_rule,
            "failures": telemetry.failed(by_rule) - self._failed_before,
            "facts": generation.facts.sizes() if generation else {},
            "guard": guard,
        }


def work(make: Callable[[Run, int, str], Worker], folder: str, number: str, channel: str, *sockets: str) -> int:
    """Be a worker, until the process is ended."""
    end_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # uvicorn has a handler of its own, and then sends it once more
    worker = make(Run(Path(folder)), int(number), channel)
    shared, own = (socket.socket(fileno=int(each)) for each in sockets)
    uvloop.run(worker.serve(shared, own))
    return 0


def main(*arguments: str) -> int:
    return work(lambda run, number, channel: Worker(run, number, channel, GuardClient(run.guard)), *arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
