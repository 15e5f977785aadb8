"""One request, through all checks, in their order. The first that refuses it decides.

    token -> body -> facts -> policy -> limit -> replay -> allowed

Nothing is changed before the last two, which the guard does in one step: a request that is refused for another reason
can be put right and sent again with the same token.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import bodies
import identity
from answers import Refused
from generation import Generation
from guard_client import ReplayGuard
from guard_frames import ACCEPTED, OUTSIDE, OVER_LIMIT, REPLAYED
from settings import Secrets

BY_GUARD = {REPLAYED: (409, "replayed"), OVER_LIMIT: (429, "over_limit"), OUTSIDE: (401, "token_expired")}


@dataclass
class Case:
    """A request, and what is known of it so far: the log shows as much of a refused one as was verified."""

    route: str
    authorization: str | None
    content_type: str | None
    read_body: Callable[[], Awaitable[bytes]]
    known_route: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None


async def judge(case: Case, generation: Generation, guard: ReplayGuard, secrets: Secrets) -> None:
    """Returns if the request is allowed; its id is burnt then. Else Refused; GuardGoneError, PolicyError."""
    token = generation.keys.verify(case.authorization, time.time())
    case.fields = {"issuer": token.issuer, "client": token.client, "transaction": token.transaction}
    if case.route.startswith("POST "):
        case.body = bodies.read(case.content_type, await case.read_body())
        case.fields |= {name: str(value) for name, value in case.body.items()}
    facts = generation.facts.look_up(token.client, case.route)
    case.known_route = facts["route"] is not None
    decision = generation.policy.decide({"issuer": token.issuer, "body": case.body} | facts)
    if not decision.allow:
        raise Refused(decision.status, decision.rule)
    answer = await guard.ask(
        identity.number(secrets.transactions, "transaction", token.issuer, token.client, token.transaction),
        identity.number(secrets.transactions, "limit", token.issuer, token.client, case.route),
        generation.facts.limit(token.client, case.route),
        token.expires,
    )
    if answer != ACCEPTED:
        raise Refused(*BY_GUARD[answer])
