"""Measures the gateway, and beside it the same gateway with each variant of variants.py. Owns what is measured.

    load      honest requests over a fixed number of connections; each variant once in a round, in shuffled order
    replays   tokens that are sent to every worker: how often one that was accepted is accepted again
    change    a rule is changed: the time until all workers judge by it
    check     what an author of policies waits for: all of them compiled, all tests run
    decision  a policy that is told the facts, and one that has them: compiled, loaded, asked
    memory    private bytes for an id that is known
    trial     trials.py

The results are a JSON file, which is written after each measurement: what is there when it is interrupted counts.
Callers, gateway and the service behind share one machine, and so its processors.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil

import facts
import policy
import rollout
import trials
from demo import issuer_of, source_of
from generation import check, publishing
from issuer import NAME, Issuer
from policy import PolicyError
from settings import WORKERS, Run
from supervisor import HERE, StartError, Supervisor
from traffic import UNAVAILABLE, Connection, kinds, post, settlement
from trials import changed, one_to_each
from variants import VARIANTS, Names, left_out, put_facts_into_rego

Sample = dict[str, Any]
Told = Callable[[str], None]
WARM_UP = 64  # requests that are not counted
DECISIONS = 1_000
PACKAGES = ("aiohttp", "httptools", "opentelemetry-sdk", "PyJWT", "redis", "regopy", "starlette", "uvicorn", "uvloop")


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    requests: int  # in a round; as many as come in `seconds`, if that is less
    seconds: float
    connections: int
    replays: int
    clients: int  # rows of that table
    changes: int
    ids: int
    tokens: int  # of the trials
    kills: int
    switches: int


FULL = Plan(8, 5_000, 20.0, 16, 500, 10_000, 10, 10**7, 10_000, 20, 1_000)
QUICK = Plan(1, 200, 5.0, 8, 20, 100, 1, 10**5, 50, 1, 4)


class Results:
    """What was measured so far, in a file."""

    def __init__(self, path: Path, plan: Plan, told: Told) -> None:
        self._path, self._told = path, told
        versions = {name: _version(name) for name in PACKAGES}
        self._made: dict[str, Any] = {"plan": asdict(plan), "packages": versions}
        self._made |= {"left_out": {}, "samples": []}

    def left_out(self, reasons: dict[str, str]) -> None:
        self._made["left_out"] |= reasons
        for name, reason in reasons.items():
            self._told(f"left out: {name}: {reason}")
        self._write()

    def add(self, **sample: Any) -> None:
        self._made["samples"].append(sample)
        self._told(", ".join(f"{name} {_said(value)}" for name, value in sample.items()))
        self._write()

    def _write(self) -> None:
        temporary = self._path.with_name(f"{self._path.name}.part")
        temporary.write_text(json.dumps(self._made, indent=1))
        temporary.replace(self._path)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _said(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def measure(path: Path, plan: Plan, told: Told = print) -> None:
    """Everything."""
    results = Results(path, plan, told)
    missing = left_out()
    results.left_out(missing)
    names = [name for name in VARIANTS if name not in missing]
    for number in range(plan.rounds):
        random.Random(number).shuffle(names)
        for name in names:
            try:
                with started(name, plan) as (run, supervisor):
                    asyncio.run(_round(results, name, number, run, supervisor, plan))
            except (StartError, PolicyError) as error:
                results.left_out({name: str(error).partition(": see ")[0]})
    with started("guard", plan) as (run, supervisor):
        for _ in range(plan.changes):
            change(results, run)
        for trial in trials.tried(run, supervisor, plan.tokens, plan.kills, plan.switches):
            its = {"title": trial.title, "times": trial.times, "requests": trial.requests, "wrong": trial.wrong}
            results.add(measure="trial", **its)
    for name in ("guard", "rego"):
        decision(results, name, plan)
    for holder in ("guard", "dict", "redis"):
        if holder not in missing:
            memory(results, holder, plan.ids)


@contextmanager
def started(name: str, plan: Plan) -> Iterator[tuple[Run, Supervisor]]:
    """A gateway of a variant, in a folder of its own."""
    variant = VARIANTS[name]
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        run = Run(Path(folder))
        source = source_of(run)
        add_clients(source, plan.clients)
        if variant.facts_in_rego:
            put_facts_into_rego(source)
        rollout.publish(run, source, told=lambda line: None)
        with Supervisor(run, worker=variant.worker, guard=variant.guard) as supervisor:
            yield run, supervisor


def add_clients(source: Path, count: int) -> None:
    """Let the table of clients have so many rows."""
    path = source / "facts" / "clients.json"
    rows = json.loads(path.read_bytes())
    rows += [rows[0] | {"client": f"clinic-7-desk-{number}"} for number in range(len(rows), count)]
    path.write_text(json.dumps(rows))


# --- one round ---


async def _round(results: Results, name: str, number: int, run: Run, supervisor: Supervisor, plan: Plan) -> None:
    issuer = issuer_of(run)
    results.add(measure="load", variant=name, round=number, **await load(issuer, supervisor, plan, number))
    results.add(measure="replays", variant=name, round=number, **await replays(issuer, supervisor, plan.replays))


async def load(issuer: Issuer, supervisor: Supervisor, plan: Plan, seed: int) -> Sample:
    """Honest requests alone: whatever is refused is refused by mistake. They are signed beforehand."""
    chosen = random.Random(seed)
    honest = [kind for kind in kinds(issuer, issuer) if kind.rules == {"allowed"}]
    weights = [kind.weight for kind in honest]
    requests = [kind.make() for kind in chosen.choices(honest, weights, k=WARM_UP + plan.connections + plan.requests)]
    connections = [Connection(supervisor.port) for _ in range(plan.connections)]
    left, rules, seconds = iter(requests), Counter[str](), list[float]()

    async def send(connection: Connection, most: int, until: float) -> None:
        while len(seconds) < most and time.perf_counter() < until:
            request = next(left, None)
            if request is None:
                break
            answer = await connection.ask(request)
            rules[answer.rule] += 1
            seconds.append(answer.seconds)

    await asyncio.gather(*(send(each, WARM_UP, time.perf_counter() + plan.seconds) for each in connections))
    rules.clear()
    seconds.clear()
    spent, began = cpu_seconds(supervisor), time.perf_counter()
    await asyncio.gather(*(send(each, plan.requests, began + plan.seconds) for each in connections))
    took = time.perf_counter() - began
    after = cpu_seconds(supervisor)
    for each in connections:
        each.close()
    cuts = quantiles(seconds, n=100, method="inclusive")
    unavailable = sum(rules[rule] for rule in UNAVAILABLE)
    return {
        "requests": len(seconds),
        "seconds": took,
        "per_second": len(seconds) / took,
        "p50_ms": 1000 * cuts[49],
        "p99_ms": 1000 * cuts[98],
        "refused_by_mistake": len(seconds) - rules["allowed"] - unavailable,
        "unavailable": unavailable,
    } | {f"{who}_cpu_us": 1e6 * (after[who] - spent[who]) / len(seconds) for who in after}


async def replays(issuer: Issuer, supervisor: Supervisor, count: int) -> Sample:
    """Send each of so many tokens to all workers at the same time."""
    connections = await one_to_each(supervisor.port)
    accepted, refused = [], []
    for _ in range(count):
        request = post(issuer.token("clinic-7-desk"))
        answers = await asyncio.gather(*(each.ask(request) for each in connections))
        accepted.append(sum(each.rule == "allowed" for each in answers))
        refused += [each.seconds for each in answers if each.rule == "replayed"]
    for each in connections:
        each.close()
    through = sum(max(0, each - 1) for each in accepted)
    slowest = max(refused) if refused else None
    return {"tokens": count, "replayed": count * (WORKERS - 1), "accepted_again": through, "slowest_refusal_s": slowest}


def cpu_seconds(supervisor: Supervisor) -> dict[str, float]:
    """What the workers, what keeps the ids, and the service behind have used."""
    used = {"workers": 0.0, "guard": 0.0, "upstream": 0.0}
    for name in supervisor.names:
        times = psutil.Process(supervisor.pid(name)).cpu_times()
        used["workers" if name.startswith("worker") else name] += times.user + times.system
    return used


# --- changes ---


def change(results: Results, run: Run) -> None:
    """Change a rule and its test, publish that as a person does, and take it back."""
    source, told = source_of(run), lambda line: None
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        began = time.perf_counter()
        check(source, Path(folder))
        results.add(measure="check", seconds=time.perf_counter() - began)
    with publishing(run.store) as store:
        unchanged = store.build(source)  # to go back to: of old generations only some are kept
        with changed(source):
            began = time.perf_counter()
            number = store.build(source)
            built = time.perf_counter()
            rollout.roll_out(run, store, number, rollout.WATCHED, told)
            ended = time.perf_counter()
        rollout.roll_out(run, store, unchanged, 0.0, told)
        back = time.perf_counter() - ended
    results.add(measure="change", build_s=built - began, effect_s=ended - began, load_s=back)


def decision(results: Results, name: str, plan: Plan) -> None:
    """The policy of a variant, without the gateway around it."""
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        run, bundle = Run(Path(folder)), Path(folder) / "bundle.rbb"
        source = source_of(run)
        add_clients(source, plan.clients)
        digests = _saved(source, run.store)
        opened: facts.Facts = (
            Names(run.store, digests) if VARIANTS[name].facts_in_rego else facts.Facts(run.store, digests)
        )
        if VARIANTS[name].facts_in_rego:
            put_facts_into_rego(source)
        began = time.perf_counter()
        try:
            policy.prepare(source / "policies", bundle)
        except PolicyError as error:
            results.left_out({f"decision of {name}": str(error)})
            return
        compiled = time.perf_counter()
        loaded = policy.Policy(bundle)
        ready = time.perf_counter()
        for _ in range(DECISIONS):
            found = opened.look_up("clinic-7-desk", "POST /settlements")
            if not loaded.decide({"issuer": NAME, "body": settlement()} | found).allow:
                raise PolicyError("an honest request was refused")
        took = (time.perf_counter() - ready) / DECISIONS
    its = {"compile_s": compiled - began, "load_s": ready - compiled, "decide_us": 1e6 * took}
    results.add(measure="decision", variant=name, clients=plan.clients, **its)


def _saved(source: Path, target: Path) -> dict[str, str]:
    """The maps of a source, and their digests."""
    facts.build(source / "facts", target)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in target.glob("*.pyhmap")}


# --- memory ---


def memory(results: Results, holder: str, ids: int) -> None:
    """In a process of its own."""
    done = subprocess.run([sys.executable, str(HERE / "holding.py"), holder, str(ids)], capture_output=True, text=True)
    if done.returncode:
        results.left_out({f"memory of {holder}": (done.stderr.strip() or "no result").splitlines()[-1]})
    else:
        results.add(measure="memory", holder=holder, ids=ids, **json.loads(done.stdout))
