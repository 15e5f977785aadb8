"""The gateway as an ASGI application: reads a request, has it judged, passes it on, answers, and tells about it.

Every answer is JSON and has the id of a trace, the rule that decided, the generation and the worker in its headers.
"""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from urllib.parse import quote

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

import answers
from answers import Refused
from generation import Generation
from guard_client import GuardGoneError, ReplayGuard
from judging import Case, judge
from masking import masked
from policy import PolicyError
from settings import MOST_BODY_BYTES, Secrets
from telemetry import Lines, Metrics
from upstream_client import Upstream, UpstreamGoneError

PROPAGATOR = TraceContextTextMapPropagator()


class Gateway:
    """One worker's gateway. ``generation`` may be replaced at any time: a request takes it once."""

    def __init__(
        self,
        guard: ReplayGuard,
        upstream: Upstream,
        secrets: Secrets,
        log: Lines,
        metrics: Metrics,
        tracer: trace.Tracer,
        worker: int,
    ) -> None:
        self.generation: Generation | None = None
        self._guard, self._upstream, self._secrets = guard, upstream, secrets
        self._log, self._metrics, self._tracer, self._worker = log, metrics, tracer, worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        request, generation = Request(scope, receive), self.generation
        case = Case(
            f"{scope['method']} {scope['path']}",  # Starlette's URL has the Host in it, which may be anything
            request.headers.get("authorization"),
            request.headers.get("content-type"),
            lambda: _body(request),
        )
        context = PROPAGATOR.extract(request.headers)
        with self._tracer.start_as_current_span(
            "request", context, kind=trace.SpanKind.SERVER, record_exception=False
        ) as span:
            trace_id = trace.format_trace_id(span.get_span_context().trace_id)
            rule = "allowed"
            try:
                if generation is None:
                    raise Refused(503, "not_ready")
                await judge(case, generation, self._guard, self._secrets)
                response = await self._pass_on(case)
            except ClientDisconnect:
                return
            except Exception as error:
                refused = self._refused(error, trace_id)
                rule, response = refused.rule, _refusal(refused, trace_id)
            number = generation.number if generation else 0
            spent = time.perf_counter() - began
            self._metrics.requests.labels(rule, str(response.status_code)).inc()
            self._metrics.seconds.observe(spent)
            route = case.route if case.known_route else "unknown"  # a path may hold anything
            about = {"rule": rule, "status": response.status_code, "route": route, "generation": number}
            span.set_attributes(about)
            fields = masked(case.fields, generation.policy.masking, self._secrets.pseudonyms) if generation else {}
            self._log.write(
                trace=trace_id, worker=self._worker, milliseconds=round(1000 * spent, 2), **about, request=fields
            )
        response.headers.update(
            {"x-trace-id": trace_id, "x-rule": rule, "x-generation": str(number), "x-worker": str(self._worker)}
        )
        await response(scope, receive, send)

    async def _pass_on(self, case: Case) -> Response:
        """The answer of the service behind. It is told who asks: it sees no token."""
        method, _, path = case.route.partition(" ")
        headers = {"x-client": quote(case.fields["client"]), "x-transaction": quote(case.fields["transaction"])}
        PROPAGATOR.inject(headers)
        status, content = await self._upstream.send(method, path, headers, case.body)
        return Response(content, status, media_type="application/json")

    def _refused(self, error: Exception, trace_id: str) -> Refused:
        """What an error means for the caller. The log gets its type and place: a message may hold what was sent."""
        match error:
            case Refused():
                return error
            case GuardGoneError():
                return Refused(503, "guard_gone")
            case UpstreamGoneError():
                return Refused(502, "upstream_gone")
        places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        self._log.write(trace=trace_id, worker=self._worker, error=type(error).__name__, places=places[-5:])
        return Refused(500, "policy_failed" if isinstance(error, PolicyError) else "failed")


def _refusal(refused: Refused, trace_id: str) -> Response:
    headers = {}
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer" if refused.rule == "token_missing" else 'Bearer error="invalid_token"'
    if refused.status in (429, 503):
        headers["retry-after"] = "1"
    content = {"error": refused.rule, "message": answers.message(refused.rule), "trace": trace_id}
    return JSONResponse(content, refused.status, headers)


async def _body(request: Request) -> bytes:
    """The body, of which no more is read than is allowed."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            raise Refused(413, "body_too_large")
    return body
