"""The status of one worker: as JSON for programs, as a page for people, and as metrics for Prometheus.

It is served on a port of the worker's own, so that each shows its own figures, and callers of the gateway see none.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

Figures = dict[str, Any]

STYLE = """
html { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 44em; padding: 0 1em }
table { border-collapse: collapse; width: 100%; margin-bottom: 1.5em }
caption { text-align: left; font-weight: 600; padding: .3em 0 }
th, td { text-align: left; padding: .2em .6em .2em 0; border-top: 1px solid #8884; font-weight: 400 }
td:not(:first-child), th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums }
.bad { color: #c33 }
"""


def application(figures: Callable[[], Awaitable[Figures]], registry: CollectorRegistry) -> Starlette:
    async def as_page(request: Request) -> Response:
        return HTMLResponse(page(await figures()))

    async def as_json(request: Request) -> Response:
        return JSONResponse(await figures())

    async def as_metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[Route("/", as_page), Route("/status.json", as_json), Route("/metrics", as_metrics)],
    )


def page(figures: Figures) -> str:
    """The page. It loads itself again every two seconds."""
    by_rule = figures["requests"]
    allowed = by_rule.get("allowed", 0)
    refused = sorted(((count, rule) for rule, count in by_rule.items() if rule != "allowed"), reverse=True)
    guard = figures["guard"]
    parts = [
        _table(
            "Generation",
            [
                ["in use", figures["generation"] or "none yet"],
                ["follows", figures["channel"]],
                ["last reload", figures["last_reload"] or "never"],
                ["reloads", figures["reloads"]],
            ],
        ),
        _table("Requests", [["allowed", allowed], ["refused", sum(count for count, _ in refused)]]),
        _table("Refused, by rule", [[rule, count] for count, rule in refused] or [["none", ""]]),
        _table(
            "Maps of facts",
            [[name, its["rows"], its["bytes"]] for name, its in figures["facts"].items()],
            ["map", "rows", "bytes"],
        ),
    ]
    if figures["reload_error"]:
        parts.insert(0, f'<p class="bad" role="alert">Not reloaded: {html.escape(figures["reload_error"])}</p>')
    if guard is None:
        parts.insert(0, '<p class="bad" role="alert">The guard does not answer: requests are refused.</p>')
    else:
        per_id = f"{guard['ids_bytes'] / guard['ids']:.1f}" if guard["ids"] else "-"
        rows = [["ids kept", guard["ids"]], ["bytes an id", per_id], ["bytes in the journal", guard["journal_bytes"]]]
        loads = ", ".join(f"{each:.2f}" for each in guard["load_factors"])
        rows += [["ids a bucket in each part, the oldest first (grows above 6.5)", loads or "-"]]
        rows += [["ids read back at its start", guard["restored"]]]
        parts.append(_table("Guard", rows + [[name.replace("_", " "), n] for name, n in guard["answers"].items()]))
    title = f"Gateway, worker {figures['worker']}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
        f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><title>{title}</title>'
        f"<style>{STYLE}</style><h1>{title}</h1>{''.join(parts)}</html>"
    )


def _table(caption: str, rows: list[list[Any]], heads: list[str] | None = None) -> str:
    def cells(row: list[Any], tag: str) -> str:
        shown = [f"{each:,}" if isinstance(each, int) else str(each) for each in row]
        return "<tr>" + "".join(f"<{tag}>{html.escape(each)}</{tag}>" for each in shown) + "</tr>"

    lines = "".join(cells(row, "td") for row in rows)
    return f"<table><caption>{caption}</caption>{cells(heads, 'th') if heads else ''}{lines}</table>"
