"""Nodes of a network on this machine: Linux network namespaces, joined by a bridge.

            bridge
      ┌───────┼───────┐
    node 0  node 1  node 2 ...    each by a link of its own, with a rate; a link can be cut, healed, or be slow

Owns the links. Names have the process id of the run, by which what a killed run has left is found and removed.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from types import TracebackType
from typing import Self

from cluster import processes
from core.environment import HARNESS

PREFIX = "hmc"
BURST = 64 * 1024  # bytes that a link may send at once: some frames, or as many as come between two ticks
TICKS = 250  # of the kernel's clock in a second
QUEUE = "200ms"  # what a link keeps at most
RELAYED_WITHIN = 10  # seconds


class NetworkError(Exception):
    """Namespaces cannot be made; the message says why."""


def tool(*arguments: str) -> str:
    """Run ``ip`` or ``tc``; return what it prints."""
    found = shutil.which(arguments[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise NetworkError(f"{arguments[0]} is not installed: install iproute2")
    done = subprocess.run([found, *arguments[1:]], capture_output=True, text=True)
    if done.returncode:
        raise NetworkError(f"{' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def missing() -> str:
    """Why there can be no namespaces here; empty if there can be."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Network(1, run=os.getpid(), name="t"):
            return ""
    except NetworkError as error:
        return str(error)
    finally:
        sweep(os.getpid())


def sweep(run: int | None = None) -> list[str]:
    """Remove the namespaces and links of one run, or of all runs that have ended. Returns their names."""

    def is_ours(name: str) -> bool:
        found = re.fullmatch(rf"{PREFIX}(\d+)[a-z]\w*", name)
        if not found:
            return False
        return int(found[1]) == run if run is not None else not os.path.exists(f"/proc/{found[1]}")

    removed = []
    with contextlib.suppress(NetworkError):  # there are no tools, so there are no namespaces
        links = [line.split(": ")[1].split("@")[0] for line in tool("ip", "-o", "link", "show").splitlines()]
        spaces = [line.split()[0] for line in tool("ip", "netns", "list").splitlines()]
        for kind, names in (("link", links), ("netns", spaces)):
            for name in filter(is_ours, names):
                with contextlib.suppress(NetworkError):  # it is gone with the other end of a pair
                    tool("ip", kind, "del", name)
                    removed.append(name)
    return removed


class Network:
    """So many nodes, from 0 on. ``rate`` is what each can send, and what each can receive, in bytes per second.

    ``late`` has for a node how many seconds later each frame arrives, in both directions.
    """

    def __init__(
        self, nodes: int, *, run: int, name: str = "a", rate: float | None = None, late: dict[int, float] | None = None
    ) -> None:
        self.nodes, self.rate, self.late = nodes, rate, late or {}
        self._name = f"{PREFIX}{run}{name}"
        self._net = f"10.{200 + run % 50}.{run // 50 % 250}"
        self._relays: list[subprocess.Popen[bytes]] = []

    def namespace(self, node: int) -> str:
        """The name of the namespace of a node."""
        return f"{self._name}n{node}"

    def link(self, node: int) -> str:
        """The name of a node's link, on the side of the bridge."""
        return f"{self._name}v{node}"

    def host(self, node: int) -> str:
        """The address of a node."""
        return f"{self._net}.{node + 1}"

    def prefix(self, node: int) -> list[str]:
        """What the command of a process in a node begins with."""
        return [shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "ip", "netns", "exec",
                self.namespace(node)]  # fmt: skip

    def __enter__(self) -> Self:
        try:
            bridge = f"{self._name}b"
            tool("ip", "link", "add", bridge, "type", "bridge")
            tool("ip", "addr", "add", f"{self._net}.254/24", "dev", bridge)
            tool("ip", "link", "set", bridge, "up")
            for node in range(self.nodes):
                self._add(node, bridge)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _add(self, node: int, bridge: str) -> None:
        space, link, inner = self.namespace(node), self.link(node), f"{self._name}w{node}"
        tool("ip", "netns", "add", space)
        if node in self.late:
            self._relay(link, inner, self.late[node])
        else:
            tool("ip", "link", "add", link, "type", "veth", "peer", "name", inner)
        tool("ip", "link", "set", inner, "netns", space)
        tool("ip", "link", "set", link, "master", bridge, "up")
        tool("ip", "-n", space, "addr", "add", f"{self.host(node)}/24", "dev", inner)
        for device in ("lo", inner):
            tool("ip", "-n", space, "link", "set", device, "up")
        if self.rate is not None:
            burst = max(BURST, int(self.rate / TICKS))
            shape = ["root", "tbf", "rate", f"{int(8 * self.rate)}bit", "burst", str(burst), "latency", QUEUE]
            tool("tc", "qdisc", "add", "dev", link, *shape)  # what the node receives
            tool("tc", "-n", space, "qdisc", "add", "dev", inner, *shape)  # what it sends

    def _relay(self, link: str, inner: str, seconds: float) -> None:
        command = [sys.executable, str(HARNESS / "worker.py"), "cluster.relay", link, inner, str(seconds)]
        one = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=processes.die_with_parent
        )
        self._relays.append(one)
        if not processes.until(lambda: os.path.exists(f"/sys/class/net/{inner}"), RELAYED_WITHIN):
            raise NetworkError("the relay that makes a link slow has not started: is /dev/net/tun there?")

    def cut(self, node: int) -> None:
        """Cut the link of a node: frames are lost, and nobody is told."""
        tool("ip", "link", "set", self.link(node), "down")

    def heal(self, node: int) -> None:
        """Join a node again."""
        tool("ip", "link", "set", self.link(node), "up")

    def sent(self) -> list[int]:
        """The bytes that each node has sent so far."""
        return [self._counter(node, "rx_bytes") for node in range(self.nodes)]

    def _counter(self, node: int, name: str) -> int:
        with open(f"/sys/class/net/{self.link(node)}/statistics/{name}") as file:
            return int(file.read())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for relay in self._relays:
            relay.kill()
            relay.wait()
        for node in range(self.nodes):
            for kind, name in (("link", self.link(node)), ("netns", self.namespace(node))):
                self._remove(kind, name)
        self._remove("link", f"{self._name}b")

    def _remove(self, kind: str, name: str) -> None:
        with contextlib.suppress(NetworkError):  # it was not made, or is gone with another
            tool("ip", kind, "del", name)
