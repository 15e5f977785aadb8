"""One worker of the gateway, in this process: which request is answered how, and what the log says of it."""

import asyncio
import base64
import hmac
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("httpx")
pytest.importorskip("jwt")
pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("prometheus_client")
pytest.importorskip("regopy")
pytest.importorskip("uvicorn")

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import generation as generations
import policy
import telemetry
import traffic
import upstream
from answers import Refused
from gateway_app import Gateway
from guard import Guard
from guard_client import GuardGoneError
from guard_frames import RECORD
from issuer import Issuer, write_keys
from masking import masked
from settings import Secrets
from upstream_client import UpstreamGoneError

STATUS = {
    "allowed": 201,
    "amount_too_large": 403,
    "body_invalid": 400,
    "body_malformed": 400,
    "body_not_json": 415,
    "body_too_large": 413,
    "client_of_another_issuer": 403,
    "client_suspended": 403,
    "client_unknown": 403,
    "currency_not_allowed": 403,
    "id_invalid": 400,
    "key_unknown": 401,
    "over_limit": 429,
    "replayed": 409,
    "route_unknown": 404,
    "scope_missing": 403,
    "tenant_suspended": 403,
    "token_expired": 401,
    "token_forged": 401,
    "token_malformed": 401,
    "token_missing": 401,
    "token_not_for_us": 401,
    "token_not_yet_valid": 401,
}
DESK = "clinic-7-desk"
ISSUER, SECOND, OTHER = Issuer("one"), Issuer("two"), Issuer("other", name="https://other.example")
SECRETS = Secrets(b"t" * 32, b"p" * 32)


class InProcess:
    """A guard without its service."""

    def __init__(self, folder: Path) -> None:
        self.guard = Guard(folder)

    async def ask(self, transaction: int, rate: int, limit: int, expires: float) -> int:
        return int(self.guard.decide(np.array([(transaction, rate, limit, expires)], RECORD))[0])

    async def figures(self) -> dict[str, Any]:
        return self.guard.figures()

    def close(self) -> None:
        self.guard.close()


class Gone(InProcess):
    async def ask(self, *asked: object) -> int:
        raise GuardGoneError


class Worker:
    """A gateway, and what is behind and around it."""

    def __init__(self, folder: Path, generation: generations.Generation, secrets: Secrets = SECRETS) -> None:
        folder.mkdir()
        self.log, self.spans = folder / "log.jsonl", folder / "spans.jsonl"
        self.guard = InProcess(folder)
        self._lines, self._provider = telemetry.Lines(self.log), telemetry.tracer(self.spans, 0)
        self.metrics = telemetry.Metrics()
        self.passed_on: list[httpx.Request] = []
        tracer = self._provider.get_tracer("t")
        self.gateway = Gateway(self.guard, self, secrets, self._lines, self.metrics, tracer, 0)
        self.gateway.generation = generation

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: dict[str, Any] | None
    ) -> tuple[int, bytes]:
        """The service behind."""
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=upstream.app), base_url="http://up") as client:
            answer = await client.request(method, path, headers=headers, json=body)
        self.passed_on.append(answer.request)
        return answer.status_code, answer.content

    def ask(self, *requests: dict[str, Any]) -> list[httpx.Response]:
        async def main() -> list[httpx.Response]:
            transport = httpx.ASGITransport(app=self.gateway)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                return [await client.request(**each) for each in requests]

        return asyncio.run(main())

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def flush(self) -> None:
        self._provider.force_flush()

    def close(self) -> None:
        self.guard.close()
        self._provider.shutdown()
        self._lines.close()


@pytest.fixture(scope="module")
def generation(gateway: Path, tmp_path_factory: pytest.TempPathFactory) -> generations.Generation:
    """That of the example, with the keys of all issuers here."""
    return opened(gateway, tmp_path_factory.mktemp("generation"), ISSUER, SECOND, OTHER)


def opened(gateway: Path, folder: Path, *issuers: Issuer) -> generations.Generation:
    source = folder / "source"
    for name in ("policies", "facts"):
        shutil.copytree(gateway / name, source / name)
    write_keys(source / "facts" / "keys.json", *issuers)

    async def main() -> generations.Generation:
        with generations.publishing(folder) as store:
            store.publish(store.build(source), "stable")
            made = await generations.Follower(folder, "stable").newer()
            assert made is not None
            return made

    return asyncio.run(main())


@pytest.fixture
def worker(tmp_path: Path, generation: generations.Generation) -> Iterator[Worker]:
    made = Worker(tmp_path / "worker", generation)
    yield made
    made.close()


def settle(token: str | None, body: Any = None, **headers: str) -> dict[str, Any]:
    """A request to settle."""
    content = body if isinstance(body, bytes) else json.dumps(body or traffic.settlement()).encode()
    sent = {"content-type": "application/json"} | headers
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    return {"method": "POST", "url": "/settlements", "content": content, "headers": sent}


def balance(token: str) -> dict[str, Any]:
    return {"method": "GET", "url": "/balance", "headers": {"authorization": f"Bearer {token}"}}


def refused(worker: Worker, request: dict[str, Any], rule: str) -> httpx.Response:
    """The answer to a request that this rule must refuse."""
    (answer,) = worker.ask(request)
    assert answer.headers["x-rule"] == rule
    assert answer.status_code == STATUS[rule]
    said = answer.json()
    assert said.keys() == {"error", "message", "trace"}
    assert said["error"] == rule
    assert said["trace"] == answer.headers["x-trace-id"]
    assert worker.passed_on == []
    return answer


# --- what is allowed ---


def test_an_ordinary_request_is_settled_once_and_told_how_it_was_decided(worker: Worker) -> None:
    first, second = worker.ask(*[settle(ISSUER.token(DESK, jti="invoice-1"))] * 2)

    assert (first.status_code, first.json()) == (201, {"settled": 1200, "currency": "CNY"})
    assert first.headers["x-rule"] == "allowed"
    assert (first.headers["x-generation"], first.headers["x-worker"]) == ("1", "0")
    assert second.status_code == 409
    (passed,) = worker.passed_on
    assert (passed.headers["x-client"], passed.headers["x-transaction"]) == (DESK, "invoice-1")
    assert "authorization" not in passed.headers
    assert first.headers["x-trace-id"] in passed.headers["traceparent"]


def test_a_transaction_id_is_that_of_one_client_of_one_issuer(worker: Worker) -> None:
    tokens = [ISSUER.token(client, jti="same") for client in (DESK, "pharmacy-3-till")]

    assert [answer.status_code for answer in worker.ask(*map(settle, tokens))] == [201, 201]


def test_another_token_with_a_burnt_transaction_id_is_a_replay(worker: Worker) -> None:
    tokens = [ISSUER.token(DESK, jti="same", iat=int(time.time()) - age) for age in (2, 1)]
    assert tokens[0] != tokens[1]

    assert [answer.status_code for answer in worker.ask(*map(settle, tokens))] == [201, 409]


def test_a_refused_request_can_be_put_right_and_sent_with_the_same_token(worker: Worker) -> None:
    token = ISSUER.token(DESK)
    wrong = [settle(token, traffic.settlement(amount=100_001)), settle(token, b"{"), settle(token, {"amount": 1})]

    assert [answer.status_code for answer in worker.ask(*wrong, settle(token))] == [403, 400, 400, 201]


def test_a_client_over_its_limit_is_told_to_wait_and_its_token_is_not_burnt(worker: Worker) -> None:
    tokens = [ISSUER.token("clinic-7-audit") for _ in range(21)]
    answers = worker.ask(*map(balance, tokens))

    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[20].headers["retry-after"] == "1"
    assert asyncio.run(worker.guard.figures())["ids"] == 20


# --- what is refused ---


def hostile() -> list[traffic.Kind]:
    return [kind for kind in traffic.kinds(ISSUER, Issuer("2020-z")) if len(kind.rules) == 1]


@pytest.mark.parametrize("kind", [kind for kind in hostile() if kind.rules != {"allowed"}], ids=lambda kind: kind.name)
def test_each_kind_of_hostile_traffic_is_refused_by_its_rule(kind: traffic.Kind, worker: Worker) -> None:
    head, _, body = kind.make().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split()
    headers = dict(line.split(": ", 1) for line in lines)
    request = {"method": method, "url": path, "headers": headers, "content": body}

    refused(worker, request, *kind.rules)


@pytest.mark.parametrize(
    ("authorization", "rule"),
    [
        (None, "token_missing"),
        ("", "token_missing"),
        ("Bearer", "token_malformed"),
        ("Bearer ", "token_malformed"),
        ("Basic dXNlcjpwYXNz", "token_malformed"),
        ("Bearer " + "a" * 5000, "token_malformed"),
        ("Bearer a.b.c", "token_malformed"),
        ("Bearer ....", "token_malformed"),
        ("Bearer \xff\xfe.\x80.\x80", "token_malformed"),
        ("Bearer " + base64.urlsafe_b64encode(b"[" * 2000).decode() + ".e30.x", "token_malformed"),
    ],
)
def test_malformed_authorization_is_refused(authorization: str | None, rule: str, worker: Worker) -> None:
    request = settle(None)
    if authorization is not None:
        request["headers"]["authorization"] = authorization.encode("latin-1")

    answer = refused(worker, request, rule)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_cannot_choose_how_it_is_verified(worker: Worker) -> None:
    now = int(time.time())
    claims = {"iss": ISSUER.name, "sub": DESK, "aud": "settlement-gateway", "iat": now, "exp": now + 60, "jti": "x"}
    public = ISSUER._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def made(header: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
        parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in (header, claims)]
        signature = sign(b".".join(parts))
        return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()

    def mac(content: bytes) -> bytes:
        return hmac.digest(public, content, "sha256")

    refused(worker, settle(made({"alg": "none", "kid": "one"}, lambda _: b"")), "token_malformed")
    refused(worker, settle(made({"alg": "HS256", "kid": "one"}, mac)), "token_malformed")
    refused(worker, settle(made({"alg": "EdDSA", "kid": ["one"]}, mac)), "token_malformed")
    refused(worker, settle(made({"alg": "EdDSA", "kid": "one"}, mac)), "token_forged")
    refused(worker, settle(made({"alg": "EdDSA"}, mac)), "key_unknown")


def test_an_issuer_cannot_speak_for_another_one(worker: Worker) -> None:
    refused(worker, settle(OTHER.token(DESK)), "client_of_another_issuer")
    refused(worker, settle(OTHER.token(DESK, iss=ISSUER.name)), "token_not_for_us")


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "iat", "exp", "jti"])
def test_each_claim_is_needed(claim: str, worker: Worker) -> None:
    refused(worker, settle(ISSUER.token(DESK, **{claim: None})), "token_not_for_us")


@pytest.mark.parametrize(
    "claims",
    [
        {"jti": ""},
        {"jti": "x" * 129},
        {"jti": "é" * 65},  # 130 bytes
        {"jti": "a\nb"},
        {"jti": "a\x00b"},
        {"sub": ""},
        {"sub": "y" * 129},
        {"sub": "clinic-7-desk\nPOST /settlements"},
    ],
)
def test_ids_that_are_too_long_or_not_printable_are_refused(claims: dict[str, Any], worker: Worker) -> None:
    refused(worker, settle(ISSUER.token(**{"client": DESK} | {"jti": "x"} | claims)), "id_invalid")


def test_an_id_of_128_bytes_is_accepted(worker: Worker) -> None:
    assert worker.ask(settle(ISSUER.token(DESK, jti="é" * 64)))[0].status_code == 201


@pytest.mark.parametrize(
    "claims",
    [{"iat": "1"}, {"iat": True}, {"iat": [1]}, {"exp": "9999999999"}, {"exp": float("inf")}, {"iat": float("nan")}],
)
def test_times_that_are_no_numbers_are_refused(claims: dict[str, Any], worker: Worker) -> None:
    refused(worker, settle(ISSUER.token(DESK, **claims)), "token_malformed")


def test_a_token_is_used_up_when_its_window_is_over_even_if_it_says_later(worker: Worker) -> None:
    old = int(time.time()) - 301

    refused(worker, settle(ISSUER.token(DESK, iat=old, exp=old + 10**6)), "token_expired")


def test_a_token_that_says_a_later_end_is_used_until_its_window_is_over(
    generation: generations.Generation, worker: Worker
) -> None:
    now = int(time.time())
    token = ISSUER.token(DESK, iat=now, exp=now + 10**6)
    assert worker.ask(settle(token))[0].status_code == 201

    assert generation.keys.verify(f"Bearer {token}", now + 299).expires == now + 300
    with pytest.raises(Refused, match="token_expired"):
        generation.keys.verify(f"Bearer {token}", now + 300)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "body_malformed"),
        (b"[]", "body_malformed"),
        (b"null", "body_malformed"),
        (b"\xff\xfe", "body_malformed"),
        (b"[" * 16000, "body_malformed"),
        (b'{"a":' * 3000, "body_malformed"),
        (b" " * 16385, "body_too_large"),
        (json.dumps(traffic.settlement(amount=0)).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(amount=-5)).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(amount=True)).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(amount=1.5)).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(amount=float("nan"))).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(amount="12")).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(amount=10**12 + 1)).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(card=6222)).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(name="")).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(name="x" * 129)).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(name="a\nb")).encode(), "body_invalid"),
        (json.dumps(traffic.settlement(name="\ud800")).encode(), "body_invalid"),
        (b'{"amount": 5}', "body_invalid"),
        (b'{"amount": ' + b"9" * 5000 + b"}", "body_malformed"),
    ],
    ids=range(21),
)
def test_bodies_that_are_no_settlement_are_refused(body: bytes, rule: str, worker: Worker) -> None:
    refused(worker, settle(ISSUER.token(DESK), body), rule)


def test_what_was_judged_is_what_is_passed_on(worker: Worker) -> None:
    """A field that is there twice: a service that reads the other one would settle what nobody has judged."""
    usual = json.dumps(traffic.settlement())
    twice = usual.replace('"amount": 1200', '"amount": 99999999, "amount": 1200').encode()

    assert worker.ask(settle(ISSUER.token(DESK), twice))[0].status_code == 201
    assert worker.passed_on[0].content.count(b"amount") == 1
    assert json.loads(worker.passed_on[0].content) == traffic.settlement()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/counts"),
        ("GET", "/settlements"),
        ("DELETE", "/balance"),
        ("GET", "/balance/"),
        ("GET", "/BALANCE"),
        ("GET", "/%2e%2e/counts"),
        ("GET", "//balance"),
    ],
)
def test_only_routes_that_are_in_the_facts_lead_anywhere(method: str, path: str, worker: Worker) -> None:
    refused(worker, balance(ISSUER.token(DESK)) | {"method": method, "url": path}, "route_unknown")


@pytest.mark.parametrize("host", ["[", "", "a b", "\xff", "x" * 5000, "http://[::1"])
def test_a_host_may_be_anything(host: str, worker: Worker) -> None:
    request = balance(ISSUER.token(DESK))
    request["headers"]["host"] = host.encode("latin-1")

    assert worker.ask(request)[0].status_code == 200


# --- keys ---


def test_a_key_is_added_and_later_removed_by_a_generation(gateway: Path, tmp_path: Path, worker: Worker) -> None:
    assert [answer.status_code for answer in worker.ask(settle(ISSUER.token(DESK)), settle(SECOND.token(DESK)))] == [
        201,
        201,
    ]
    worker.gateway.generation = opened(gateway, tmp_path, SECOND)
    old, new = worker.ask(settle(ISSUER.token(DESK)), settle(SECOND.token(DESK)))

    assert (old.headers["x-rule"], new.headers["x-rule"]) == ("key_unknown", "allowed")


# --- what breaks ---


def broken(worker: Worker, change: Callable[[], object]) -> httpx.Response:
    change()
    (answer,) = worker.ask(settle(ISSUER.token(DESK)))
    assert answer.json().keys() == {"error", "message", "trace"}
    return answer


def test_without_a_guard_requests_are_refused(worker: Worker) -> None:
    answer = broken(worker, lambda: setattr(worker.guard, "ask", Gone.ask.__get__(worker.guard)))

    assert (answer.status_code, answer.headers["x-rule"]) == (503, "guard_gone")
    assert answer.headers["retry-after"] == "1"
    assert worker.passed_on == []


def test_a_service_behind_that_is_gone_is_a_bad_gateway(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*sent: object) -> tuple[int, bytes]:
        raise UpstreamGoneError

    answer = broken(worker, lambda: monkeypatch.setattr(worker, "send", lost))

    assert (answer.status_code, answer.headers["x-rule"]) == (502, "upstream_gone")


@pytest.mark.parametrize(
    ("error", "rule"), [(policy.PolicyError("planted"), "policy_failed"), (RuntimeError("planted"), "failed")]
)
def test_an_error_is_answered_without_its_message_and_logged_with_its_place(
    error: Exception, rule: str, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: policy.Policy, asked: dict[str, Any]) -> policy.Decision:
        raise error

    answer = broken(worker, lambda: monkeypatch.setattr(policy.Policy, "decide", fail))

    assert (answer.status_code, answer.headers["x-rule"]) == (500, rule)
    assert "planted" not in answer.text + worker.log.read_text()
    assert worker.entries()[0]["error"] == type(error).__name__
    assert worker.entries()[0]["places"][-1].startswith("test_gateway_requests.py:")
    assert worker.passed_on == []


def test_before_the_first_generation_requests_are_refused(worker: Worker) -> None:
    answer = broken(worker, lambda: setattr(worker.gateway, "generation", None))

    assert (answer.status_code, answer.headers["x-rule"]) == (503, "not_ready")


# --- what is told ---


def test_nothing_secret_is_in_a_log_a_span_or_an_answer(worker: Worker) -> None:
    planted = {
        "card": "4929123456789876",
        "name": "Zhang Planted Secret",
        "id_number": "ID-PLANTED-0042",
        "jti": "planted-transaction-77",
    }
    body = traffic.settlement(**{name: planted[name] for name in ("card", "name", "id_number")})
    token = ISSUER.token(DESK, jti=planted["jti"])
    requests = [settle(token, body), settle(token, body), settle(token, body | {"amount": 100_001})]
    requests += [settle(Issuer("one").token("planted-client"), body), settle("planted.token.text", body)]
    requests += [balance(token) | {"url": "/planted-path/4929123456789876"}]
    requests += [settle(token, b'{"amount": "planted-body"'), settle(ISSUER.token("planted-client"), body)]
    answers = worker.ask(*requests)
    worker.flush()
    told = worker.log.read_text() + worker.spans.read_text()
    told += "".join(answer.text + str(answer.headers) for answer in answers)

    assert len(worker.entries()) == len(requests)
    for secret in (*planted.values(), "planted", "Planted", "4929", DESK, token, *token.split(".")[1:]):
        assert secret not in told, secret


def test_the_log_shows_who_and_what_by_pseudonyms_that_are_the_same_in_each_worker(
    tmp_path: Path, generation: generations.Generation
) -> None:
    requests = []
    for number, secrets in enumerate((SECRETS, SECRETS, Secrets(b"t" * 32, b"q" * 32))):
        worker = Worker(tmp_path / str(number), generation, secrets)
        answers = worker.ask(settle(ISSUER.token(DESK, jti="one")), settle(ISSUER.token(DESK, jti="two")))
        worker.close()
        entries = worker.entries()
        assert [entry["rule"] for entry in entries] == ["allowed", "allowed"]
        assert [entry["trace"] for entry in entries] == [answer.headers["x-trace-id"] for answer in answers]
        assert entries[0]["route"] == "POST /settlements"
        assert entries[0]["generation"] == 1
        requests.append([entry["request"] for entry in entries])

    first, second = requests[0]
    assert first.keys() == {"client", "transaction", "name", "id_number", "card", "currency"}
    assert (first["card"], first["currency"]) == ("************2233", "CNY")
    assert first["client"] == second["client"]
    assert first["transaction"] != second["transaction"]
    assert len({*first.values()}) == 6
    assert requests[1] == requests[0]
    assert requests[2][0]["client"] != first["client"]


@pytest.mark.parametrize(
    ("card", "shown"),
    [("6222020200112233", "************2233"), ("12345678", "************5678"), ("1234567", "*" * 12)],
)
def test_of_a_short_number_nothing_is_shown(card: str, shown: str) -> None:
    assert masked({"card": card}, {"card": "last_four"}, b"") == {"card": shown}


def test_a_trace_goes_on_from_the_caller_to_the_service_behind(worker: Worker) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    (answer,) = worker.ask(settle(ISSUER.token(DESK), traceparent=f"00-{trace}-00f067aa0ba902b7-01"))
    worker.flush()

    assert answer.headers["x-trace-id"] == trace
    assert worker.passed_on[0].headers["traceparent"].split("-")[1] == trace
    (span,) = [json.loads(line) for line in worker.spans.read_text().splitlines()]
    assert span["context"]["trace_id"] == f"0x{trace}"
    assert span["attributes"] == {"rule": "allowed", "status": 201, "route": "POST /settlements", "generation": 1}


def test_counters_say_how_many_requests_each_rule_decided(worker: Worker) -> None:
    token = ISSUER.token(DESK)
    worker.ask(settle(token), settle(token), settle(token), settle(None), *[balance(ISSUER.token(DESK))] * 2)

    assert worker.metrics.by_rule() == {"allowed": 2, "replayed": 3, "token_missing": 1}  # allowed: 201 and 200
