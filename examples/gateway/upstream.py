"""The service behind the gateway: it settles invoices of a health insurance, and counts what it has settled.

It trusts the gateway, and settles whatever comes. So its counts say what the gateway let through.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from parent import end_with_parent
from settings import Run

settled: Counter[tuple[str, str]] = Counter()


async def settle(request: Request) -> Response:
    body = await request.json()
    who = unquote(request.headers["x-client"]), unquote(request.headers["x-transaction"])
    settled[who] += 1
    return JSONResponse({"settled": body["amount"], "currency": body["currency"]}, 201)


async def balance(request: Request) -> Response:
    client = unquote(request.headers["x-client"])
    return JSONResponse({"settlements": sum(count for (whose, _), count in settled.items() if whose == client)})


async def counts(request: Request) -> Response:
    """For tests: how many transactions were settled, and those that were more than once."""
    twice = [list(who) for who, count in settled.items() if count > 1]
    return JSONResponse({"transactions": len(settled), "more_than_once": twice})


app = Starlette(
    routes=[
        Route("/settlements", settle, methods=["POST"]),
        Route("/balance", balance),
        Route("/counts", counts),
    ]
)


def main(folder: str) -> int:
    run = Run(Path(folder))
    end_with_parent()
    Path(run.upstream).unlink(missing_ok=True)
    uvicorn.run(app, uds=run.upstream, access_log=False, log_level="warning", lifespan="off", ws="none")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
