"""The gateway at work: traffic, and what happens to it meanwhile. Owns the order of events, and what is told of them.

start, publish  ->  a change of policy  ->  one whose tests fail  ->  a worker is killed  ->  the guard is killed
->  back to the policy before  ->  what came of all requests
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

import rollout
import traffic
from issuer import Issuer, write_keys
from policy import PolicyError
from settings import Run
from supervisor import Supervisor, status

HERE = Path(__file__).resolve().parent
CHANGE = (
    'asked.client.status != "active"',
    'not asked.client.status in {"active", "on_trial"}',
)
BROKEN = ("> asked.tenant.largest_amount", "> 10 * asked.tenant.largest_amount")

Told = Callable[[str], None]


def source_of(run: Run) -> Path:
    """The folder of policies and facts of a run: a copy of the example's, with the keys of its issuer."""
    source = run.folder / "source"
    if not source.exists():
        for name in ("policies", "facts"):
            shutil.copytree(HERE / name, source / name)
        write_keys(source / "facts" / "keys.json", issuer_of(run))
    return source


def issuer_of(run: Run) -> Issuer:
    return Issuer.kept(run.folder / "issuer.pem")


def edit(path: Path, change: tuple[str, str]) -> None:
    """Change a line of a file, as a person would."""
    text = path.read_text()
    if text.count(change[0]) != 1:
        raise ValueError(f"{path.name} does not have {change[0]!r} once")
    path.write_text(text.replace(*change))


def demonstrate(run: Run, seconds: float, told: Told = print) -> bool:
    """Show all of it. Returns whether every request met what it had to."""
    source, issuer = source_of(run), issuer_of(run)
    rollout.publish(run, source, told=told)
    with Supervisor(run, told=told) as supervisor:
        told(f"gateway:  http://127.0.0.1:{supervisor.port}")
        told(f"status:   {', '.join(f'http://127.0.0.1:{port}' for port in supervisor.status_ports)}")
        tally = asyncio.run(_events(run, supervisor, source, issuer, seconds, told))
        settled = counts(run)
        guard = (status(supervisor.status_ports[0]) or {}).get("guard")
    return _conclude(tally, settled, guard, seconds, told)


async def _events(
    run: Run, supervisor: Supervisor, source: Path, issuer: Issuer, seconds: float, told: Told
) -> traffic.Tally:
    tally, pause, rules = traffic.Tally(), seconds / 6, source / "policies" / "gateway.rego"
    sending = asyncio.create_task(traffic.run(supervisor.port, issuer, seconds, tally=tally))

    async def change(what: Callable[[], object]) -> None:
        began = time.perf_counter()
        await asyncio.to_thread(what)
        told(f"  {time.perf_counter() - began:.2f} s from the change to its effect in all workers")

    await asyncio.sleep(pause)
    told("a change: clients on trial may ask, too")
    edit(rules, CHANGE)
    await change(lambda: rollout.publish(run, source, told=told))

    await asyncio.sleep(pause)
    told("a change that breaks a test: ten times the largest amount may pass")
    edit(rules, BROKEN)
    try:
        await asyncio.to_thread(rollout.publish, run, source, told=told)
    except PolicyError as error:
        told(f"  refused: {error}")
    edit(rules, BROKEN[::-1])

    for name in ("worker-1", "guard"):
        await asyncio.sleep(pause)
        told(f"{name} is killed")
        told(f"  {await kill(supervisor, name):.2f} s until it answers again")

    await asyncio.sleep(pause)
    told("back to the policy before")
    await change(lambda: rollout.back(run, told=told))
    return await sending


async def kill(supervisor: Supervisor, name: str) -> float:
    """Kill a process. Returns after how many seconds all workers, and the guard, answer again."""
    starts, began = supervisor.starts(name), time.perf_counter()
    os.kill(supervisor.pid(name), signal.SIGKILL)
    while supervisor.starts(name) == starts or not await asyncio.to_thread(all_answer, supervisor):
        await asyncio.sleep(0.01)
    return time.perf_counter() - began


def all_answer(supervisor: Supervisor) -> bool:
    """Whether all workers do, and the guard answers them."""
    told = [status(port) for port in supervisor.status_ports]
    return all(each is not None and each["guard"] is not None for each in told)


def counts(run: Run) -> dict[str, Any]:
    """What the service behind has settled, asked without the gateway."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(run.upstream)
        asked.sendall(b"GET /counts HTTP/1.1\r\nHost: up\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: asked.recv(65536), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def _conclude(
    tally: traffic.Tally, settled: dict[str, Any], guard: dict[str, Any] | None, seconds: float, told: Told
) -> bool:
    told("")
    told(f"{'requests':26} {'sent':>7}  decided by")
    for kind, rules in sorted(tally.rules.items(), key=lambda item: -item[1].total()):
        told(f"{kind:26} {rules.total():7,}  {', '.join(f'{rule} {count:,}' for rule, count in rules.most_common())}")
    cuts = quantiles(tally.seconds, n=100)
    told("")
    told(f"{sum(rules.total() for rules in tally.rules.values()) / seconds:,.0f} requests a second, with the traffic")
    told(f"and the gateway on one machine; half took {1000 * cuts[49]:.1f} ms, 99 of 100 {1000 * cuts[98]:.1f} ms")
    told(f"judged by generation: {', '.join(f'{n}: {count:,}' for n, count in sorted(tally.generations.items()) if n)}")
    told(f"not judged, while a process was gone: {tally.unavailable():,}")
    if guard:
        told(f"ids kept by the guard: {guard['ids']:,}; read back after it was killed: {guard['restored']:,}")
    twice = settled["more_than_once"]
    told(f"transactions settled: {settled['transactions']:,}; more than once: {len(twice)}")
    told(f"wrong decisions: {len(tally.wrong)}{''.join(f'{chr(10)}  {each}' for each in tally.wrong[:10])}")
    return not tally.wrong and not twice
