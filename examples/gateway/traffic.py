"""Traffic for the gateway: honest and hostile requests, each with the rules that may decide it.

It goes to a port of this machine only, over a bounded number of connections, for a bounded time. Nothing here knows
how the gateway decides: what a request must meet is written beside it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from issuer import Issuer

MOST_CONNECTIONS, MOST_SECONDS = 64, 600.0
BURST = 8  # connections that send one token at the same time
PAUSE = 0.02  # seconds before a connection that was lost is made again
# What may meet any request while a process restarts. The request is refused then, never let through unjudged.
UNAVAILABLE = {"guard_gone", "upstream_gone", "lost"}

Body = dict[str, object]


@dataclass(frozen=True)
class Kind:
    """A kind of request: how often it comes, how one is made, and which rules may decide it."""

    name: str
    weight: int
    make: Callable[[], bytes]
    rules: frozenset[str]


@dataclass
class Tally:
    """What came of the requests."""

    rules: dict[str, Counter[str]] = field(default_factory=dict)  # of each kind
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    generations: Counter[int] = field(default_factory=Counter)

    def add(self, kind: str, answer: Answer, rules: frozenset[str]) -> None:
        self.rules.setdefault(kind, Counter())[answer.rule] += 1
        self.generations[answer.generation] += 1
        if answer.rule not in UNAVAILABLE:
            self.seconds.append(answer.seconds)
            if answer.rule not in rules:
                self.wrong.append(f"{kind}: {answer.rule}")

    def unavailable(self) -> int:
        return sum(rules[rule] for rules in self.rules.values() for rule in UNAVAILABLE)


@dataclass(frozen=True)
class Answer:
    """An answer, or the loss of a connection, which is the rule ``lost``."""

    status: int
    rule: str
    worker: str
    generation: int
    seconds: float


class Connection:
    """One connection to the gateway, kept open; made again when it is lost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Answer:
        began = time.perf_counter()
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            await reader.readexactly(int(headers["content-length"]))
        except (OSError, EOFError):
            self.close()
            await asyncio.sleep(PAUSE)
            return Answer(0, "lost", "-", 0, time.perf_counter() - began)
        if headers.get("connection") == "close":
            self.close()
        rule, worker = headers.get("x-rule", "none"), headers.get("x-worker", "-")
        number = int(headers.get("x-generation", 0))
        return Answer(int(head[0].split()[1]), rule, worker, number, time.perf_counter() - began)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def settlement(**changed: object) -> Body:
    """A body that is in order, with what is changed."""
    usual = {"amount": 1200, "currency": "CNY", "card": "6222020200112233", "name": "Lin Mei", "id_number": "A1B2C3D4"}
    return usual | changed


def post(token: str, body: Body | bytes | None = None, *, content_type: str = "application/json") -> bytes:
    """A request to settle."""
    content = body if isinstance(body, bytes) else json.dumps(settlement() if body is None else body).encode()
    head = f"POST /settlements HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: {content_type}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode("latin-1") + content


def get(token: str, path: str = "/balance") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\r\n".encode("latin-1")


def kinds(issuer: Issuer, stranger: Issuer) -> list[Kind]:
    """All kinds. The stranger signs with a kid that is not its own."""
    desk, till = "clinic-7-desk", "pharmacy-3-till"
    forger = Issuer(issuer.kid)

    def of(name: str, weight: int, make: Callable[[], bytes], *rules: str) -> Kind:
        return Kind(name, weight, make, frozenset(rules))

    old = -3600
    return [
        of("settlement", 50, lambda: post(issuer.token(desk)), "allowed"),
        of("settlement of a pharmacy", 10, lambda: post(issuer.token(till)), "allowed"),
        of("balance", 10, lambda: get(issuer.token(desk)), "allowed"),
        of("too many requests", 3, lambda: get(issuer.token("clinic-7-audit")), "allowed", "over_limit"),
        of("too large an amount", 3, lambda: post(issuer.token(till), settlement(amount=5001)), "amount_too_large"),
        of("other currency", 2, lambda: post(issuer.token(desk), settlement(currency="EUR")), "currency_not_allowed"),
        of("no scope", 2, lambda: post(issuer.token("clinic-7-audit")), "scope_missing"),
        of("suspended client", 2, lambda: post(issuer.token("pharmacy-3-old")), "client_suspended"),
        of("suspended tenant", 2, lambda: post(issuer.token("closed-1-desk")), "tenant_suspended"),
        of("unknown client", 2, lambda: post(issuer.token("nobody")), "client_unknown"),
        of("unknown route", 2, lambda: get(issuer.token(desk), "/admin"), "route_unknown"),
        of("forged token", 3, lambda: post(forger.token(desk)), "token_forged"),
        of("unknown key", 2, lambda: post(stranger.token(desk)), "key_unknown"),
        of("expired token", 3, lambda: post(issuer.token(desk, iat=_in(old), exp=_in(old + 300))), "token_expired"),
        of("token of the future", 2, lambda: post(issuer.token(desk, iat=_in(3600))), "token_not_yet_valid"),
        of("for another service", 2, lambda: post(issuer.token(desk, aud="other")), "token_not_for_us"),
        of("oversized id", 2, lambda: post(issuer.token(desk, jti="x" * 129)), "id_invalid"),
        of("malformed token", 2, lambda: post("e30.e30.nonsense"), "token_malformed", "key_unknown"),
        of("malformed body", 2, lambda: post(issuer.token(desk), b'{"amount": '), "body_malformed"),
        of("field too many", 2, lambda: post(issuer.token(desk), settlement(note="x")), "body_invalid"),
        of("body of another type", 2, lambda: post(issuer.token(desk), content_type="text/plain"), "body_not_json"),
    ]


def _in(seconds: int) -> int:
    """A time from now."""
    return int(time.time()) + seconds


async def run(port: int, issuer: Issuer, seconds: float, *, connections: int = 16, tally: Tally | None = None) -> Tally:
    """Send requests of all kinds for so long, and replays in bursts beside them."""
    if not 1 <= connections <= MOST_CONNECTIONS or not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"give 1 to {MOST_CONNECTIONS} connections, and at most {MOST_SECONDS:.0f} seconds")
    tally, until, chosen = tally or Tally(), time.monotonic() + seconds, random.Random(0)
    all_kinds = kinds(issuer, Issuer("2020-z"))
    weights = [kind.weight for kind in all_kinds]

    async def ordinary() -> None:
        connection = Connection(port)
        while time.monotonic() < until:
            kind = chosen.choices(all_kinds, weights)[0]
            tally.add(kind.name, await connection.ask(kind.make()), kind.rules)
        connection.close()

    async def bursts() -> None:
        burst = [Connection(port) for _ in range(BURST)]
        while time.monotonic() < until:
            await replay(burst, issuer, tally)
            await asyncio.sleep(0.05)
        for each in burst:
            each.close()

    await asyncio.gather(bursts(), *(ordinary() for _ in range(connections)))
    return tally


async def replay(connections: list[Connection], issuer: Issuer, tally: Tally) -> int:
    """Send one token over all connections at the same time. Returns how many were allowed: more than one is wrong."""
    request = post(issuer.token("clinic-7-desk", jti=f"replay-{uuid.uuid4().hex}"))
    answers = await asyncio.gather(*(each.ask(request) for each in connections))
    for each in answers:
        tally.add("replay", each, frozenset({"allowed", "replayed"}))
    allowed = sum(each.rule == "allowed" for each in answers)
    lost = any(each.rule in UNAVAILABLE for each in answers)  # the one that was accepted may be among those
    if allowed > 1 or (allowed == 0 and not lost):
        tally.wrong.append(f"replay: {allowed} of {len(answers)} were allowed")
    return allowed
