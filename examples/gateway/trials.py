"""Trials of what the gateway promises, against its running processes.

    one token at two workers at once      one of the two is accepted, each time
    the guard is killed under traffic     nothing that was accepted is accepted again
    generations switched under traffic    each request is judged by one of them as a whole

The service behind, which trusts the gateway, counts what was let through: it is the witness.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import rollout
from demo import counts, edit, issuer_of, kill, source_of
from generation import publishing
from issuer import Issuer
from settings import WORKERS, Run
from supervisor import Supervisor
from traffic import UNAVAILABLE, Connection, get, post, settlement

Told = Callable[[str], None]
PAIRS = 4  # of connections, one to each worker, that send at the same time
TILL = "pharmacy-3-till"

# Two generations that differ in a rule and in a fact. A request that is judged by half of each meets a rule that
# neither has for it. Amount -> rule, of each.
OTHER_RULE = ('"rule": "amount_too_large"', '"rule": "amount_over_the_limit"')
OTHER_FACT = ('"largest_amount": 5000}', '"largest_amount": 50000}')
MEETS = (
    {4_000: "allowed", 20_000: "amount_too_large", 200_000: "amount_too_large"},
    {4_000: "allowed", 20_000: "allowed", 200_000: "amount_over_the_limit"},
)


@dataclass(frozen=True)
class Trial:
    """What a trial was, how often, and what went wrong: nothing, if all is well."""

    title: str
    times: int
    requests: int
    wrong: list[str]
    note: str = ""

    def __str__(self) -> str:
        said = "; ".join(self.wrong[:5]) if self.wrong else "nothing went wrong"
        return f"{self.title}: {self.times:,} times, {self.requests:,} requests: {said}{self.note}"


def run_all(run: Run, tokens: int, kills: int, switches: int, told: Told = print) -> bool:
    """All trials. Returns whether nothing went wrong."""
    rollout.publish(run, source_of(run), told=told)
    with Supervisor(run, told=told) as supervisor:
        trials = tried(run, supervisor, tokens, kills, switches)
    for each in trials:
        told(str(each))
    return not any(each.wrong for each in trials)


def tried(run: Run, supervisor: Supervisor, tokens: int, kills: int, switches: int) -> list[Trial]:
    """Each trial, of a gateway that runs."""
    return [
        asyncio.run(same_token(run, supervisor, tokens)),
        asyncio.run(killed_guard(run, supervisor, kills)),
        asyncio.run(switched(run, supervisor, switches)),
    ]


async def same_token(run: Run, supervisor: Supervisor, times: int) -> Trial:
    """Send each token to both workers at the same time, so many tokens."""
    issuer, before, left, wrong = issuer_of(run), counts(run)["transactions"], iter(range(times)), []

    async def pair(connections: list[Connection]) -> None:
        for _ in left:
            request = post(issuer.token("clinic-7-desk"))
            answers = await asyncio.gather(*(each.ask(request) for each in connections))
            rules = sorted(each.rule for each in answers)
            if rules != ["allowed", *["replayed"] * (WORKERS - 1)] or len({each.worker for each in answers}) < WORKERS:
                wrong.append(f"met {', '.join(rules)}")

    pairs = [await one_to_each(supervisor.port) for _ in range(PAIRS)]
    await asyncio.gather(*map(pair, pairs))
    for each in (connection for pair_of_it in pairs for connection in pair_of_it):
        each.close()
    settled = counts(run)
    if settled["transactions"] - before != times or settled["more_than_once"]:
        wrong.append(f"{settled['transactions'] - before} were settled, {settled['more_than_once']} more than once")
    return Trial("one token at two workers at once", times, WORKERS * times, wrong)


async def one_to_each(port: int) -> list[Connection]:
    """A connection to each worker: which one takes a connection is the system's choice."""
    found: dict[str, Connection] = {}
    while len(found) < WORKERS:
        connection = Connection(port)
        worker = (await connection.ask(get(""))).worker
        if worker in found:
            connection.close()
        else:
            found[worker] = connection
    return [*found.values()]


async def killed_guard(run: Run, supervisor: Supervisor, times: int) -> Trial:
    """Kill the guard under traffic. When it is back, send again all that was accepted."""
    issuer, wrong, requests, longest = issuer_of(run), [], 0, 0.0
    for _ in range(times):
        accepted: list[bytes] = []
        killed = asyncio.Event()

        async def sending(accepted: list[bytes] = accepted, killed: asyncio.Event = killed) -> int:
            connection, sent = Connection(supervisor.port), 0
            while not killed.is_set():
                request = post(issuer.token("clinic-7-desk"))
                answer = await connection.ask(request)
                sent += 1
                if answer.rule == "allowed":
                    accepted.append(request)
                elif answer.rule not in UNAVAILABLE:
                    wrong.append(f"met {answer.rule}")
            connection.close()
            return sent

        senders = [asyncio.create_task(sending()) for _ in range(8)]
        while len(accepted) < 8:  # so that there is something to send again
            await asyncio.sleep(0.01)
        longest = max(longest, await kill(supervisor, "guard"))
        killed.set()
        requests += sum(await asyncio.gather(*senders)) + len(accepted)
        connection = Connection(supervisor.port)
        again = Counter([(await connection.ask(request)).rule for request in accepted])
        connection.close()
        if set(again) != {"replayed"}:
            wrong.append(f"what was accepted before met {dict(again)} afterwards")
    if counts(run)["more_than_once"]:
        wrong.append("a transaction was settled more than once")
    note = f"; requests were refused for at most {longest:.1f} s"
    return Trial("the guard is killed under traffic", times, requests, wrong, note)


async def switched(run: Run, supervisor: Supervisor, times: int) -> Trial:
    """Switch between two generations under traffic: to the first worker, then to all, so many times."""
    source, issuer = source_of(run), issuer_of(run)
    wrong: list[str] = []
    with publishing(run.store) as store:
        numbers = [store.build(source)]
        with changed(source):
            numbers.append(store.build(source))
        rollout.roll_out(run, store, numbers[0], 0.0, told=lambda line: None)

        def switch() -> None:
            for turn in range(times):
                rollout.roll_out(run, store, numbers[(turn + 1) % 2], 0.0, told=lambda line: None)

        async with asking(supervisor.port, issuer, numbers, wrong) as seen:
            await asyncio.to_thread(switch)
    if {number for number, _ in seen} != {*numbers}:
        wrong.append("one of the generations judged nothing")
    return Trial("generations switched under traffic", times, seen.total(), wrong)


@contextlib.contextmanager
def changed(source: Path) -> Iterator[None]:
    """The source with the other rule and the other fact; as it was, afterwards."""
    for name, change in (("policies/gateway.rego", OTHER_RULE), ("facts/tenants.json", OTHER_FACT)):
        edit(source / name, change)
    test = source / "policies" / "gateway_test.rego"
    before = test.read_text()
    test.write_text(before.replace("amount_too_large", "amount_over_the_limit"))
    try:
        yield
    finally:
        test.write_text(before)
        for name, change in (("policies/gateway.rego", OTHER_RULE), ("facts/tenants.json", OTHER_FACT)):
            edit(source / name, change[::-1])


@contextlib.asynccontextmanager
async def asking(
    port: int, issuer: Issuer, numbers: list[int], wrong: list[str]
) -> AsyncIterator[Counter[tuple[int, str]]]:
    """While the block runs, send amounts to all workers, and compare the rule with that of the generation that judged.

    Yields how often each generation gave each rule.
    """
    ended, seen = asyncio.Event(), Counter[tuple[int, str]]()

    async def sending(connection: Connection) -> None:
        while not ended.is_set():
            for amount in MEETS[0]:
                answer = await connection.ask(post(issuer.token(TILL), settlement(amount=amount)))
                if answer.generation not in numbers:
                    wrong.append(f"{answer.rule}, by generation {answer.generation}")
                    continue
                seen[answer.generation, answer.rule] += 1
                meets = MEETS[numbers.index(answer.generation)][amount]
                if answer.rule != meets:
                    wrong.append(f"{amount} met {answer.rule}, not {meets}, by generation {answer.generation}")
        connection.close()

    connections = [each for _ in range(2) for each in await one_to_each(port)]
    senders = [asyncio.create_task(sending(each)) for each in connections]
    try:
        yield seen
    finally:
        ended.set()
        await asyncio.gather(*senders)
