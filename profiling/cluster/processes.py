"""A Dask cluster of processes that can be killed: a scheduler and workers, on this machine or in network namespaces.

Owns processes and their end. Each dies with the process that started it, in whatever way that one ends.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from core.environment import HARNESS, PROJECT

LOST_AFTER = "15s"  # a worker that was silent for so long is given up; Dask's default is 5 minutes
SETTINGS = {
    "distributed.scheduler.worker-ttl": LOST_AFTER,
    "distributed.comm.timeouts.connect": "20s",
    "distributed.comm.timeouts.tcp": "20s",
    "distributed.admin.tick.limit": "1h",  # a busy machine is no news
}
STARTED_WITHIN = 90  # seconds
PORT = 8786
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class StartError(Exception):
    """A process of the cluster has not started; the message has the last line of its log."""


def die_with_parent() -> None:
    """Called in a child before it runs its program: it is killed when its parent ends."""
    ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)


def environment() -> dict[str, str]:
    """Of all processes of a cluster: the settings, and where the modules are that functions come from."""
    named = {f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": text for name, text in SETTINGS.items()}
    path = os.pathsep.join([str(HARNESS), str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | named | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Cluster:
    """A scheduler and workers of one thread each, without nannies: a worker that is killed stays away.

    ``prefix(i)`` is what the command of process i begins with, and ``host(i)`` its address; 0 is the scheduler.
    Each process has a folder of its own, which is also that of its temporary files.
    """

    def __init__(
        self,
        workers: int,
        folder: Path,
        *,
        prefix: Callable[[int], list[str]] = lambda i: [],
        host: Callable[[int], str] = lambda i: "127.0.0.1",
    ) -> None:
        self.folder, self._prefix, self._host = folder, prefix, host
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        port = PORT if prefix(0) else free_port()
        self.address = f"tcp://{host(0)}:{port}"
        self._workers = workers
        self._scheduler = ["distributed.cli.dask_scheduler", "--host", host(0), "--port", str(port), "--no-dashboard"]

    def __enter__(self) -> Self:
        import dask
        import distributed

        dask.config.set(SETTINGS)
        try:
            self._start(0, self._scheduler)
            for i in range(1, self._workers + 1):
                self.start_worker(i)
            self.client = distributed.Client(self.address, timeout=STARTED_WITHIN)
            self.client.wait_for_workers(self._workers, timeout=STARTED_WITHIN)
        except BaseException as error:
            said = self.complaints()
            self.__exit__(None, None, None)
            if isinstance(error, OSError | TimeoutError):
                raise StartError(f"the cluster has not started within {STARTED_WITHIN} s: {said}") from error
            raise
        return self

    def start_worker(self, i: int) -> None:
        """Start worker i, from 1 on."""
        host = ["--host", self._host(i), "--name", f"w{i}", "--local-directory", str(self.folder / f"p{i}")]
        one_thread = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--no-dashboard"]
        self._start(i, ["distributed.cli.dask_worker", self.address, *host, *one_thread])

    def _start(self, i: int, arguments: list[str]) -> None:
        folder = self.folder / f"p{i}"
        folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"p{i}.log").open("ab") as log:
            self.processes[i] = subprocess.Popen(
                [*self._prefix(i), sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment() | {"TMPDIR": str(folder)},
                cwd=folder,
                start_new_session=True,  # Ctrl-C comes to the one that started them, and it ends them
                preexec_fn=die_with_parent,
            )

    def complaints(self) -> str:
        """The last line of each log."""
        logs = sorted(self.folder.glob("p*.log"))
        last = [(log.stem, log.read_text(errors="replace").strip().splitlines()[-1:]) for log in logs]
        return "; ".join(f"{name}: {lines[0]}" for name, lines in last if lines)

    def pids(self) -> list[int]:
        """Of the processes that run, and of this one."""
        return [os.getpid(), *(one.pid for one in self.processes.values() if one.poll() is None)]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (client := getattr(self, "client", None)) is not None:
            client.close(timeout=2)
        for one in self.processes.values():
            one.kill()
        for one in self.processes.values():
            one.wait()


def end_as_if_interrupted() -> None:
    """From here on SIGTERM is as Ctrl-C: everything that was begun is ended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def proportional(pid: int) -> int:
    """The proportional set size of a process: pages that several processes have count in parts."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, ValueError):  # it has ended
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def private(pid: int = 0) -> dict[str, int]:
    """The private bytes of a process, by kind: of files and clean, or written; and all that it has mapped."""
    lines = Path(f"/proc/{pid or os.getpid()}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines[1:]}
    return {name.lower(): found[name] for name in ("Private_Clean", "Private_Dirty", "Rss", "Pss")}


class Looking(ABC):
    """Looks at something again and again while the block runs, at its beginning and at its end too."""

    EVERY = 0.1  # seconds

    @abstractmethod
    def look(self) -> None:
        """Look once."""

    def _watch(self) -> None:
        while not self._done.wait(self.EVERY):
            self.look()

    def __enter__(self) -> Self:
        self._done = threading.Event()
        self.look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self.look()


class Peak(Looking):
    """The largest sum of proportional set sizes."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids, self.bytes = pids, 0

    def look(self) -> None:
        """Look once."""
        self.bytes = max(self.bytes, sum(map(proportional, self._pids())))


def end(process: subprocess.Popen[Any], seconds: float = 20) -> None:
    """Ask a process to end, wait, and kill it and its children if it does not."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; False if it is not after so many seconds."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True
