"""Starts the guard, the service behind and the workers; watches them, and starts again what has ended.

The first worker follows the channel canary, the others follow stable. The sockets are open here, and so as long as the
supervisor runs: no connection is refused while a worker restarts.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from settings import WORKERS, Run

HERE = Path(__file__).resolve().parent
EVERY = 0.05  # seconds between two looks
SHORTEST, LONGEST = 0.1, 2.0  # seconds before what has ended is started again: twice as long each time it ends soon
SOON = 5.0  # seconds of life that reset that
PATIENCE = 30.0  # seconds for all to be ready
BACKLOG = 1024


class StartError(Exception):
    """A process does not run; the message says which, and where it said why."""


@dataclass
class Process:
    """One of the processes, and how often it was started."""

    command: list[str]
    sockets: list[socket.socket] = field(default_factory=list)
    running: subprocess.Popen[bytes] | None = None
    starts: int = 0
    started: float = 0.0
    delay: float = 0.0
    due: float = 0.0


class Supervisor:
    """The processes of a run. Use it in a with block. ``worker`` and ``guard`` are the commands of those of another
    kind (variants.py); no guard, if workers need none.
    """

    def __init__(
        self,
        run: Run,
        port: int = 0,
        *,
        worker: Sequence[str] = ("gateway_worker.py",),
        guard: Sequence[str] = ("guard.py",),
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._run, self._told = run, told
        self._lock = os.open(run.folder / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise StartError(f"a gateway runs in {run.folder} already") from None
        self._shared = _listening(port)
        self.port = self._shared.getsockname()[1]
        self._own = [_listening(0) for _ in range(WORKERS)]
        self.status_ports = [each.getsockname()[1] for each in self._own]
        folder = str(run.folder)
        self._processes = {"upstream": Process(["upstream.py", folder])}
        if guard:
            self._processes["guard"] = Process([*guard, folder])
        for number, own in enumerate(self._own):
            channel = "stable" if number else "canary"
            command = [*worker, folder, str(number), channel]
            command += [str(self._shared.fileno()), str(own.fileno())]
            self._processes[f"worker-{number}"] = Process(command, [self._shared, own])
        self._ending = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        try:
            for name, process in self._processes.items():
                self._start(name, process)
            self._write()
            self._watching.start()
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._ending.set()
        if self._watching.is_alive():
            self._watching.join()
        for process in reversed(self._processes.values()):  # workers first: they finish what they have begun
            if process.running is not None:
                process.running.terminate()
        for process in self._processes.values():
            if process.running is not None:
                try:
                    process.running.wait(10)
                except subprocess.TimeoutExpired:
                    process.running.kill()
                    process.running.wait()
                if process.running.stdin:
                    process.running.stdin.close()
        for each in (self._shared, *self._own):
            each.close()
        os.close(self._lock)
        self._run.processes.unlink(missing_ok=True)

    @property
    def names(self) -> list[str]:
        """Of the processes."""
        return [*self._processes]

    def pid(self, name: str) -> int:
        """The number of the process that runs now, or ran last."""
        running = self._processes[name].running
        assert running is not None
        return running.pid

    def starts(self, name: str) -> int:
        return self._processes[name].starts

    def _start(self, name: str, process: Process) -> None:
        log = self._run.logs / f"{name}.txt"
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as out:
            process.running = subprocess.Popen(
                [sys.executable, str(HERE / process.command[0]), *process.command[1:]],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                pass_fds=[each.fileno() for each in process.sockets],
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends the others
            )
        process.started = time.monotonic()
        process.starts += 1

    def _watch(self) -> None:
        while not self._ending.wait(EVERY):
            now = time.monotonic()
            for name, process in self._processes.items():
                if process.due and now >= process.due:
                    process.due = 0.0
                    self._start(name, process)
                    self._write()
                elif not process.due and process.running is not None and process.running.poll() is not None:
                    if process.running.stdin:
                        process.running.stdin.close()
                    lived = now - process.started
                    process.delay = SHORTEST if lived > SOON else min(LONGEST, max(SHORTEST, 2 * process.delay))
                    process.due = now + process.delay
                    self._told(f"{name} ended with status {process.running.returncode}; it is started again")

    def _write(self) -> None:
        """Tell other programs what runs: rollout.py asks the workers."""
        made = {
            "port": self.port,
            "workers": {f"worker-{number}": port for number, port in enumerate(self.status_ports)},
            "pids": {name: self.pid(name) for name in self._processes},
        }
        temporary = self._run.processes.with_suffix(".tmp")
        temporary.write_text(json.dumps(made))
        temporary.replace(self._run.processes)

    def _wait(self) -> None:
        """Until all answer."""
        until = time.monotonic() + PATIENCE
        while True:
            told = [status(port) for port in self.status_ports]
            if all(each and each["guard"] for each in told) and Path(self._run.upstream).exists():
                return
            if time.monotonic() > until:
                raise StartError(f"the processes are not ready after {PATIENCE:.0f} s: see {self._run.logs}")
            time.sleep(EVERY)


def status(port: int) -> dict[str, Any] | None:
    """The figures of a worker; None if it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status.json", timeout=2) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def _listening(port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(BACKLOG)
    made.setblocking(False)
    return made
