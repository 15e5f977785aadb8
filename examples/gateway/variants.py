"""Other ways to do what the gateway does, for comparison only: measuring.py starts it with each of them.

    dict     each worker keeps the ids itself. It asks nobody, and so accepts a replay that another one has seen
    redis    redis keeps them: SET NX with an end, and INCR, in one pipeline for all requests of a moment
    rego     clients, tenants and routes are Rego's `data`, in the bundle. The limits stay in their map

Owns their processes as well: the supervisor starts this file instead of a worker or of the guard.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import signal
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import facts
from gateway_worker import Worker, work
from guard_client import GuardClient, GuardGoneError
from guard_frames import ACCEPTED, OUTSIDE, OVER_LIMIT, RECORD_FORMAT, REPLAYED
from settings import LEEWAY, RATE_WINDOW, WINDOW, Run

KEPT = WINDOW + LEEWAY  # seconds
RATE_KEY = struct.Struct("<QQ")  # of client and route, and of the window; the key of an id has half as many bytes


@dataclass(frozen=True)
class Variant:
    """What the supervisor starts, and whether the facts go into the bundle."""

    worker: tuple[str, ...] = ("gateway_worker.py",)
    guard: tuple[str, ...] = ("guard.py",)
    facts_in_rego: bool = False


VARIANTS = {
    "guard": Variant(),
    "dict": Variant(worker=("variants.py", "dict"), guard=()),
    "redis": Variant(worker=("variants.py", "redis"), guard=("variants.py", "redis-server")),
    "rego": Variant(worker=("variants.py", "rego"), facts_in_rego=True),
}


def left_out() -> dict[str, str]:
    """The variants that cannot run here, with what to do."""
    if importlib.util.find_spec("redis") is None:
        return {"redis": "its Python library is not installed: pip install -e '.[peers]'"}
    if shutil.which("redis-server") is None:
        return {"redis": "redis-server is not installed: on Debian, apt-get install redis-server"}
    return {}


class DictGuard:
    """Ids and counts of one worker. Two dicts take turns, so an id is kept for one to two windows."""

    def __init__(self) -> None:
        self._ids: dict[int, float] = {}
        self._before: dict[int, float] = {}
        self._turned = self._counted = time.time()
        self._counts: Counter[int] = Counter()

    async def ask(self, transaction: int, rate: int, limit: int, expires: float) -> int:
        now = time.time()
        if now > self._turned + KEPT:
            self._ids, self._before, self._turned = {}, self._ids, now
        if now > self._counted + RATE_WINDOW:
            self._counts.clear()
            self._counted = now
        if not now < expires <= now + KEPT:
            return OUTSIDE
        self._counts[rate] += 1
        if self._counts[rate] > limit:
            return OVER_LIMIT
        if transaction in self._ids or transaction in self._before:
            return REPLAYED
        self._ids[transaction] = expires
        return ACCEPTED

    async def figures(self) -> dict[str, Any]:
        return _figures(len(self._ids) + len(self._before), sys.getsizeof(self._ids) + sys.getsizeof(self._before))

    def close(self) -> None:
        pass


class RedisGuard(GuardClient):
    """Asks redis instead. One trip for the requests of a moment: so a request over its limit burns its id, too."""

    def __init__(self, path: str) -> None:
        import redis.asyncio
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        super().__init__(path)
        self._redis = redis.asyncio.Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0))
        self._failures = (redis.RedisError, OSError)

    async def _exchange(self, question: bytes) -> bytes:
        try:
            return await (self._decide(question) if question else self._about())
        except self._failures as error:
            raise GuardGoneError from error

    async def _decide(self, question: bytes) -> bytes:
        now = time.time()
        window, asked = int(now // RATE_WINDOW), [*RECORD_FORMAT.iter_unpack(question)]
        pipeline = self._redis.pipeline(transaction=False)
        for transaction, rate, _, expires in asked:
            counted = RATE_KEY.pack(rate, window)
            pipeline.incr(counted).expire(counted, 2 * RATE_WINDOW)
            pipeline.set(transaction.to_bytes(8, "little"), 1, nx=True, pxat=max(1, int(1000 * expires)))
        found = await pipeline.execute()
        answers = bytearray()
        for (_, _, limit, expires), count, new in zip(asked, found[::3], found[2::3], strict=True):
            outside = not now < expires <= now + KEPT
            answers.append(OUTSIDE if outside else OVER_LIMIT if count > limit else ACCEPTED if new else REPLAYED)
        return bytes(answers)

    async def _about(self) -> bytes:
        used = await self._redis.info("memory")
        return json.dumps(_figures(await self._redis.dbsize(), used["used_memory"])).encode()


def _figures(ids: int, nbytes: int) -> dict[str, Any]:
    """As the guard gives them to the status page; what these do not have is 0."""
    made = {"ids": ids, "ids_bytes": nbytes, "load_factors": [], "restored": 0, "journal_bytes": 0}
    return made | {"answers": {}}


class Names(facts.Facts):
    """The policy is told names, and looks them up itself."""

    def look_up(self, client: str, route: str) -> dict[str, Any]:
        return {"client": client, "tenant": None, "route": route}


LOOK_UP = """decision := judged(known)

known := {
	"issuer": input.issuer,
	"body": input.body,
	"client": client,
	"tenant": tenant,
	"route": object.get(data.facts.routes, input.route, null),
}

client := object.get(data.facts.clients, input.client, null)

tenant := object.get(data.facts.tenants, client.tenant, null) if {
	client != null
}

else := null if {
	true
}
"""


def put_facts_into_rego(source: Path) -> None:
    """Change a source so that its policies have the tables, and look them up."""
    tables: dict[str, dict[str, Any]] = {}
    for name in ("clients", "tenants", "routes"):
        key = facts.TABLES[name][0]
        tables[name] = {row.pop(key): row for row in json.loads((source / "facts" / f"{name}.json").read_bytes())}
    for row in tables["clients"].values():
        row["scopes"] = row["scopes"].split()
    (source / "policies" / "data.json").write_text(json.dumps({"facts": tables}))
    rules = source / "policies" / "gateway.rego"
    text = rules.read_text()
    if text.count("decision := judged(input)\n") != 1:
        raise ValueError("gateway.rego does not decide by judged(input)")
    rules.write_text(text.replace("decision := judged(input)\n", LOOK_UP))


def redis_command(socket: str, folder: Path, *, kept: bool) -> list[str]:
    """redis on a socket alone. ``kept``: what it answered survives its end, as with the guard's journal."""
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--unixsocketperm", "700", "--dir", str(folder)]
    return [*command, "--save", "", "--appendonly", "yes" if kept else "no", "--appendfsync", "no"]


def end_with_parent_also_after_exec() -> None:
    """As parent.py does for Python: the system ends this process with its parent."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def main(what: str, *arguments: str) -> int:
    if what == "redis-server":
        run = Run(Path(*arguments))
        end_with_parent_also_after_exec()
        os.execvp("redis-server", redis_command(run.guard, run.journal, kept=True))
    makers = {
        "dict": lambda run, number, channel: Worker(run, number, channel, DictGuard()),
        "redis": lambda run, number, channel: Worker(run, number, channel, RedisGuard(run.guard)),
        "rego": lambda run, number, channel: Worker(run, number, channel, GuardClient(run.guard), Names),
    }
    return work(makers[what], *arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
