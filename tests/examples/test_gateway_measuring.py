"""What the gateway is measured beside: other guards, facts inside Rego; and that a small measurement has all of it."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiohttp")
pytest.importorskip("httptools")
pytest.importorskip("jwt")
pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("prometheus_client")
pytest.importorskip("psutil")
pytest.importorskip("regopy")
pytest.importorskip("uvicorn")
pytest.importorskip("uvloop")

import demo
import facts
import holding
import measuring
import policy
import variants
from guard_client import GuardGoneError
from guard_frames import ACCEPTED, OUTSIDE, OVER_LIMIT, REPLAYED
from settings import Run

NO_LIMIT, NOW = 2**32 - 1, 1_000_000.0
TINY = measuring.Plan(1, 40, 60.0, 4, 5, 20, 1, 5_000, 10, 1, 2)


class Clock:
    now = NOW


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(variants.time, "time", lambda: made.now)
    return made


def asked(guard: Any, *questions: tuple[int, int, int, float]) -> list[int]:
    async def all_of_them() -> list[int]:
        return [await guard.ask(*each) for each in questions]

    return asyncio.run(all_of_them())


# --- a dict per worker ---


def test_a_dict_refuses_what_its_own_worker_has_seen_and_no_other(clock: Clock) -> None:
    question = (7, 1, NO_LIMIT, NOW + 60)

    assert asked(variants.DictGuard(), question, question) == [ACCEPTED, REPLAYED]
    assert asked(variants.DictGuard(), question) == [ACCEPTED]  # which is why the gateway has one guard


def test_a_dict_counts_limits_and_refuses_what_has_expired(clock: Clock) -> None:
    guard = variants.DictGuard()

    assert asked(guard, (1, 1, 1, NOW + 60), (2, 1, 1, NOW + 60)) == [ACCEPTED, OVER_LIMIT]
    assert asked(guard, (3, 2, 1, NOW), (4, 3, 1, NOW + 10_000)) == [OUTSIDE, OUTSIDE]
    clock.now += 11
    assert asked(guard, (2, 1, 1, NOW + 60)) == [ACCEPTED]


def test_a_dict_knows_an_id_for_its_window_and_forgets_it(clock: Clock) -> None:
    guard = variants.DictGuard()
    asked(guard, (7, 1, NO_LIMIT, NOW + 60))
    clock.now += variants.KEPT + 1
    assert asked(guard, (7, 1, NO_LIMIT, clock.now + 60)) == [REPLAYED]
    clock.now += variants.KEPT + 1
    asked(guard, (8, 1, NO_LIMIT, clock.now + 60))
    clock.now += variants.KEPT + 1
    assert asked(guard, (7, 1, NO_LIMIT, clock.now + 60)) == [ACCEPTED]


# --- redis ---


@pytest.mark.parametrize(
    ("library", "said"), [(False, "pip install -e '.[peers]'"), (True, "apt-get install redis-server")]
)
def test_what_is_missing_is_left_out_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, library: bool, said: str
) -> None:
    monkeypatch.setattr(variants.importlib.util, "find_spec", lambda name: library or None)
    monkeypatch.setattr(variants.shutil, "which", lambda name: None)

    assert said in variants.left_out()["redis"]


@pytest.mark.skipif("redis" in variants.left_out(), reason="redis is not there")
def test_redis_refuses_what_any_worker_has_seen_and_counts_limits(tmp_path: Path) -> None:
    path = str(tmp_path / "redis.sock")
    server = subprocess.Popen(variants.redis_command(path, tmp_path, kept=True), stdout=subprocess.DEVNULL)
    try:
        holding._connected(path, server).close()
        until = variants.time.time() + 60
        same, other = (7, 1, NO_LIMIT, until), (8, 2, 1, until)

        assert asyncio.run(by_two_workers(path, same, other)) == [[ACCEPTED, REPLAYED], [ACCEPTED, OVER_LIMIT]]
        assert asyncio.run(by_two_workers(path, (9, 3, 1, until - 120))) == [[OUTSIDE, OUTSIDE]]
    finally:
        server.terminate()
        server.wait()
    with pytest.raises(GuardGoneError):
        asyncio.run(by_two_workers(path, same))


async def by_two_workers(path: str, *questions: tuple[int, int, int, float]) -> list[list[int]]:
    """Each question asked by both."""
    guards = [variants.RedisGuard(path), variants.RedisGuard(path)]
    try:
        return [[await guard.ask(*question) for guard in guards] for question in questions]
    finally:
        for guard in guards:
            await guard._redis.aclose()


# --- facts inside Rego ---


def test_a_policy_that_has_the_facts_decides_as_one_that_is_told_them(tmp_path: Path) -> None:
    run = Run(tmp_path)
    source = demo.source_of(run)
    digests = measuring._saved(source, run.store)
    outside, inside = tmp_path / "outside.rbb", tmp_path / "inside.rbb"
    policy.prepare(source / "policies", outside)
    variants.put_facts_into_rego(source)
    policy.prepare(source / "policies", inside)
    rows = json.loads((source / "facts" / "clients.json").read_bytes())
    ways = [(policy.Policy(outside), facts.Facts(run.store, digests))]
    ways.append((policy.Policy(inside), variants.Names(run.store, digests)))

    seen = set()
    for client in [*(row["client"] for row in rows), "nobody"]:
        for route in ("POST /settlements", "GET /balance", "GET /admin"):
            for amount in (10, 50_000, 200_000):
                body = {"amount": amount, "currency": "CNY"}
                told = [
                    judge.decide({"issuer": demo.issuer_of(run).name, "body": body} | known.look_up(client, route))
                    for judge, known in ways
                ]
                assert told[0] == told[1]
                seen.add(told[0].rule)
    assert seen >= {"allowed", "client_unknown", "route_unknown", "amount_too_large", "tenant_suspended"}


@pytest.mark.parametrize(("content", "said"), [("[1]", "must be an object"), ("{", "cannot be read as JSON")])
def test_data_that_is_none_is_refused(tmp_path: Path, content: str, said: str) -> None:
    shutil.copytree(demo.HERE / "policies", tmp_path / "policies")
    (tmp_path / "policies" / "data.json").write_text(content)

    with pytest.raises(policy.PolicyError, match=f"data.json: {said}"):
        policy.prepare(tmp_path / "policies", tmp_path / "bundle.rbb")


# --- a measurement ---


@pytest.mark.slow
def test_a_small_measurement_has_every_variant_and_shows_which_lets_replays_through(tmp_path: Path) -> None:
    lines: list[str] = []
    measuring.measure(tmp_path / "made.json", TINY, lines.append)

    made = json.loads((tmp_path / "made.json").read_text())
    samples = made["samples"]
    assert len(lines) == len(samples) + len(made["left_out"])
    there = {name for name in variants.VARIANTS if name not in made["left_out"]}
    assert there >= {"guard", "dict", "rego"}
    loads = {each["variant"]: each for each in samples if each["measure"] == "load"}
    again = {each["variant"]: each["accepted_again"] for each in samples if each["measure"] == "replays"}
    assert loads.keys() == again.keys() == there
    assert all(each["refused_by_mistake"] == 0 and each["requests"] >= 40 for each in loads.values())
    assert again == {name: TINY.replays if name == "dict" else 0 for name in there}
    assert [each["wrong"] for each in samples if each["measure"] == "trial"] == [[], [], []]
    assert {each["measure"] for each in samples} == {
        *("load", "replays", "check", "change", "trial", "decision", "memory")
    }
    assert {each["holder"] for each in samples if each["measure"] == "memory"} >= {"guard", "dict"}


def test_a_measurement_that_cannot_be_written_says_where(gateway: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(gateway), "measure", "--quick", "--json", str(tmp_path / "missing" / "made.json")]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 1
    assert "missing" in done.stderr
    assert "Traceback" not in done.stderr
