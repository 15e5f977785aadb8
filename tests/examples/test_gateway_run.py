"""The gateway as it runs: its processes, what happens when they end, reloads under traffic, its page, its command."""

import asyncio
import importlib.util
import json
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browser_support import chromium

pytest.importorskip("aiohttp")
pytest.importorskip("httptools")
pytest.importorskip("jwt")
pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("prometheus_client")
pytest.importorskip("regopy")
pytest.importorskip("uvicorn")
pytest.importorskip("uvloop")

import demo
import rollout
import status as pages
import supervisor as supervising
import traffic
import trials
from policy import PolicyError
from settings import WORKERS, Run
from supervisor import Supervisor

pytestmark = pytest.mark.slow

LONG = 60  # seconds: on a busy machine a worker that starts takes several


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rollout, "PATIENCE", LONG)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(tmp_path_factory.mktemp("run"))
    rollout.publish(made, demo.source_of(made), told=lambda line: None)
    return made


@pytest.fixture(scope="module")
def running(run: Run) -> Iterator[Supervisor]:
    with Supervisor(run) as supervisor:
        yield supervisor


def ask(supervisor: Supervisor, *requests: bytes) -> list[traffic.Answer]:
    async def main() -> list[traffic.Answer]:
        connection = traffic.Connection(supervisor.port)
        answers = [await connection.ask(each) for each in requests]
        connection.close()
        return answers

    return asyncio.run(main())


def figures(supervisor: Supervisor) -> list[dict[str, Any]]:
    """Of each worker. On a busy machine a request for them may time out."""
    until, told = time.monotonic() + LONG, []
    for port in supervisor.status_ports:
        while not (said := supervising.status(port)):
            assert time.monotonic() < until, f"the worker of port {port} does not answer"
        told.append(said)
    return told


# --- what it promises ---


def test_a_token_that_is_sent_to_all_workers_at_once_is_accepted_by_one(run: Run, running: Supervisor) -> None:
    trial = asyncio.run(trials.same_token(run, running, 200))

    assert (trial.wrong, trial.requests) == ([], 200 * WORKERS)


def test_a_killed_guard_lets_nothing_through_twice_and_comes_back(run: Run, running: Supervisor) -> None:
    trial = asyncio.run(trials.killed_guard(run, running, 2))

    assert trial.wrong == []
    assert trial.requests > 0


def test_no_request_is_judged_by_half_of_two_generations(run: Run, running: Supervisor) -> None:
    trial = asyncio.run(trials.switched(run, running, 12))

    assert trial.wrong == []
    assert trial.requests > 0


def test_a_trial_notices_a_request_that_was_judged_by_half_of_each(
    run: Run, running: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "MEETS", ({4_000: "allowed", 20_000: "amount_over_the_limit"}, trials.MEETS[1]))

    trial = asyncio.run(trials.switched(run, running, 2))

    assert any("20000 met amount_too_large, not amount_over_the_limit" in each for each in trial.wrong)


def test_all_kinds_of_traffic_meet_what_they_must_while_a_worker_is_killed(run: Run, running: Supervisor) -> None:
    async def main() -> traffic.Tally:
        sending = asyncio.create_task(traffic.run(running.port, demo.issuer_of(run), 3, connections=8))
        await asyncio.sleep(1)
        os.kill(running.pid("worker-1"), signal.SIGKILL)
        return await sending

    starts = running.starts("worker-1")
    tally = asyncio.run(main())

    assert tally.wrong == []
    assert tally.rules["settlement"]["allowed"] > 0
    assert tally.rules["replay"]["replayed"] > 0
    assert demo.counts(run)["more_than_once"] == []
    until = time.monotonic() + LONG
    while running.starts("worker-1") == starts or not demo.all_answer(running):
        assert time.monotonic() < until, "the worker is not started again"
        time.sleep(0.05)


# --- reloads ---


def test_policies_whose_tests_fail_are_used_by_nobody(run: Run, running: Supervisor) -> None:
    before = [each["generation"] for each in figures(running)]
    rules = demo.source_of(run) / "policies" / "gateway.rego"
    demo.edit(rules, demo.BROKEN)
    try:
        with pytest.raises(PolicyError, match="1 of 13 tests failed"):
            rollout.publish(run, demo.source_of(run), told=lambda line: None)
    finally:
        demo.edit(rules, demo.BROKEN[::-1])

    assert [each["generation"] for each in figures(running)] == before


def test_a_policy_that_gives_no_decision_goes_back_before_other_workers_see_it(run: Run, running: Supervisor) -> None:
    """Its own tests pass: it fails for what they do not ask."""
    before = [each["generation"] for each in figures(running)]
    reloads = figures(running)[1]["reloads"]
    rules = demo.source_of(run) / "policies" / "gateway.rego"
    partial = ('else := {"status": 200, "rule": "allowed"}', 'else := {"status": 200, "rule": "allowed"} if {\n\t')
    partial = (partial[0], partial[1] + 'object.get(asked, ["client", "tenant"], "") == "clinic-7"\n}')
    demo.edit(rules, partial)

    async def main() -> None:
        issuer = demo.issuer_of(run)
        rolling = asyncio.create_task(
            asyncio.to_thread(rollout.publish, run, demo.source_of(run), watched=5.0, told=lambda line: None)
        )
        connections = await trials.one_to_each(running.port)
        while not rolling.done():
            for each in connections:
                await each.ask(traffic.post(issuer.token("pharmacy-3-till")))
            await asyncio.sleep(0.01)
        for each in connections:
            each.close()
        await rolling

    try:
        with pytest.raises(rollout.RolledBackError, match="requests failed in the first worker"):
            asyncio.run(main())
    finally:
        demo.edit(rules, partial[::-1])

    rollout._wait(running.status_ports[0], before[0])
    assert [each["generation"] for each in figures(running)] == before
    assert figures(running)[1]["reloads"] == reloads


def test_a_generation_that_a_later_worker_cannot_use_is_taken_back_from_all(
    run: Run, running: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [each["generation"] for each in figures(running)]

    def told(port: int) -> dict[str, Any] | None:
        said = supervising.status(port)
        failing = said and port == running.status_ports[1] and said["asked"] != before[1]
        return said | {"generation": before[1], "reload_error": "the disk cannot be read"} if failing else said

    monkeypatch.setattr(rollout, "status", told)
    with pytest.raises(rollout.RolledBackError, match="the disk cannot be read"):
        rollout.publish(run, demo.source_of(run), watched=0.0, told=lambda line: None)
    monkeypatch.undo()

    for port, number in zip(running.status_ports, before, strict=True):
        assert rollout._wait(port, number)["generation"] == number


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"pid": 0}, "the first worker ended"), ({"reload_error": "a map is damaged"}, "a map is damaged")],
)
def test_a_generation_that_the_first_worker_cannot_use_reaches_no_other(
    changed: dict[str, Any], message: str, run: Run, running: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [each["generation"] for each in figures(running)]
    reloads, looks = figures(running)[1]["reloads"], Counter[int]()

    def told(port: int) -> dict[str, Any] | None:
        said = supervising.status(port)
        if not said or port != running.status_ports[0] or said["asked"] == before[0]:
            return said
        if "reload_error" in changed:
            return said | changed | {"generation": before[0]}
        looks[port] += said["generation"] == said["asked"]  # not while it switches: nobody relies on it then
        return said | changed if looks[port] > 1 else said

    monkeypatch.setattr(rollout, "status", told)
    with pytest.raises(rollout.RolledBackError, match=message):
        rollout.publish(run, demo.source_of(run), watched=0.5, told=lambda line: None)
    monkeypatch.undo()
    rollout._wait(running.status_ports[0], before[0])
    assert figures(running)[1]["reloads"] == reloads


def test_back_leads_to_the_generation_before(run: Run, running: Supervisor) -> None:
    before = figures(running)[0]["generation"]
    number = rollout.publish(run, demo.source_of(run), watched=0.0, told=lambda line: None)
    assert [each["generation"] for each in figures(running)] == [number] * WORKERS

    assert rollout.back(run, told=lambda line: None) == before
    assert [each["generation"] for each in figures(running)] == [before] * WORKERS


# --- bad input, secrets ---


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00planted-binary\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon planted-header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: g\r\nA: " + b"x" * 40_000, 431),
        (b"POST /settlements HTTP/1.1\r\nHost: g\r\nContent-Length: planted-length\r\n\r\n", 400),
        (b"POST /settlements HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\nplanted-chunk\r\n", 400),
    ],
)
def test_what_is_no_http_is_answered_in_json(sent: bytes, status: int, running: Supervisor) -> None:
    with socket.create_connection(("127.0.0.1", running.port), timeout=LONG) as connection:
        connection.sendall(sent)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))  # up to the end: the connection is closed
    head, _, body = answer.partition(b"\r\n\r\n")

    assert int(head.split()[1]) == status
    assert b"content-type: application/json" in head
    told = json.loads(body)
    assert told["message"]
    assert f"x-rule: {told['error']}\r\n".encode() in head
    assert all(answer.rule == "allowed" for answer in ask(running, *_honest(running)))


def _honest(running: Supervisor) -> list[bytes]:
    issuer = demo.issuer_of(running._run)
    return [traffic.post(issuer.token("clinic-7-desk")) for _ in range(2)]


def test_no_file_of_a_run_but_those_of_secrets_holds_one(tmp_path: Path) -> None:
    run = Run(tmp_path)
    rollout.publish(run, demo.source_of(run), told=lambda line: None)
    issuer = demo.issuer_of(run)
    token = issuer.token("clinic-7-desk", jti="planted-transaction")
    body = traffic.settlement(name="Planted Name", card="4929123456789876", id_number="PLANTED-ID")
    requests = [traffic.post(token, body), traffic.post(token, body), traffic.post(token, b"planted-body")]
    requests += [traffic.get(token, "/planted-path"), traffic.post("planted.token.here", body)]
    with Supervisor(run) as supervisor:
        assert [answer.status for answer in ask(supervisor, *requests)] == [201, 409, 400, 404, 401]
    secret = [run.secrets.transactions, run.secrets.pseudonyms, *token.encode().split(b".")[1:]]
    secret += [run.secrets.transactions.hex().encode(), run.secrets.pseudonyms.hex().encode(), b"4929123456789876"]
    secret += [b"planted", b"Planted", b"PLANTED", b"clinic-7-desk"]

    assert run.folder.stat().st_mode & 0o077 == 0
    for name in ("secrets.json", "issuer.pem"):
        assert (run.folder / name).stat().st_mode & 0o077 == 0, name
    written = [*run.logs.iterdir(), *run.journal.iterdir()]
    for path in run.folder.rglob("*"):
        if path.is_file() and path.name not in ("secrets.json", "issuer.pem"):
            content = path.read_bytes()
            # Tables of facts name clients; logs and journal do not.
            searched = secret if path in written else secret[:-1]
            assert not [each for each in searched if each in content], path.name
    for path in written:
        assert path.stat().st_mode & 0o077 == 0, path.name
    for kind in ("worker", "spans"):
        lines = b"".join(path.read_bytes() for path in written if path.name.startswith(f"{kind}-"))
        assert lines.count(b'"rule"') == len(requests), kind


# --- what is shown ---


# All at once: the page loads itself again every two seconds.
SHOWN = """() => [document.title, document.documentElement.scrollWidth <= window.innerWidth,
  Object.fromEntries([...document.querySelectorAll("table")].map((table) => [table.caption.innerText,
    [...table.rows].map((row) => [...row.cells].filter((cell) => cell.tagName == "TD").map((cell) => cell.innerText))
  ]))]"""


def shown_tables(browser: Any, port: int, width: int) -> tuple[str, dict[str, list[list[str]]]]:
    """The title of the page and the cells of its tables. Nothing may be wrong with it."""
    page, trouble = browser.new_page(viewport={"width": width, "height": 900}), []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(f"http://127.0.0.1:{port}/")
    title, fits, tables = page.evaluate(SHOWN)
    assert fits
    assert trouble == []
    page.close()
    return title, tables


def test_the_status_page_shows_in_a_browser_what_the_worker_counted(run: Run, running: Supervisor) -> None:
    token = demo.issuer_of(run).token("clinic-7-desk")
    ask(running, traffic.post(token), traffic.post(token), *[traffic.get("planted")] * 3)
    told = figures(running)
    with chromium() as browser:
        for number, port in enumerate(running.status_ports):
            for width in (400, 1400):
                title, tables = shown_tables(browser, port, width)
                counted = {rule: f"{n:,}" for rule, n in told[number]["requests"].items()}
                assert title == f"Gateway, worker {number}"
                assert ["in use", f"{told[number]['generation']:,}"] in tables["Generation"]
                assert ["allowed", counted.pop("allowed", "0")] in tables["Requests"]
                assert dict(tables["Refused, by rule"]) == (counted or {"none": ""})
                assert [row[0] for row in tables["Maps of facts"][1:]] == ["clients", "tenants", "routes", "limits"]
                assert tables["Maps of facts"][1][1] == "5"
                assert {row[0] for row in tables["Guard"]} >= {"ids kept", "bytes an id", "accepted", "replayed"}


def test_the_page_shows_how_full_the_parts_of_the_guard_are() -> None:
    figures = {"worker": 0, "channel": "stable", "generation": 0, "last_reload": "", "reloads": 0, "requests": {}}
    guard = {"ids": 39, "ids_bytes": 780, "load_factors": [6.5, 3.25], "journal_bytes": 312, "restored": 0}
    page = pages.page(figures | {"reload_error": "", "facts": {}, "guard": guard | {"answers": {"accepted": 39}}})

    assert "<td>6.50, 3.25</td>" in page


def test_the_page_tells_of_a_guard_that_is_gone_and_of_a_reload_that_failed() -> None:
    figures = {"worker": 0, "channel": "stable", "generation": 0, "last_reload": "", "reloads": 0, "requests": {}}
    page = pages.page(figures | {"reload_error": "<b>damaged", "facts": {}, "guard": None})

    assert "The guard does not answer" in page
    assert "Not reloaded: &lt;b&gt;damaged" in page


def test_metrics_and_status_count_what_is_sent(run: Run, running: Supervisor) -> None:
    def counted() -> Counter[str]:
        found: Counter[str] = Counter()
        for port in running.status_ports:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                text = answer.read().decode()
            for rule, n in re.findall(r'gateway_requests_total\{rule="(\w+)",status="\d+"\} ([\d.]+)', text):
                found[rule] += int(float(n))
            assert "gateway_generation" in text
        assert found == sum((Counter(each["requests"]) for each in figures(running)), Counter())
        return found

    before, issuer = counted(), demo.issuer_of(run)
    token = issuer.token("clinic-7-desk")
    ask(running, traffic.post(token), traffic.post(token), traffic.get(issuer.token("clinic-7-desk")))
    assert counted() - before == {"allowed": 2, "replayed": 1}


def test_the_port_of_callers_shows_no_status(running: Supervisor) -> None:
    answers = ask(running, traffic.get("x", "/status.json"), traffic.get("x", "/metrics"), traffic.get("x", "/"))

    assert {answer.status for answer in answers} == {401}


# --- the command ---


def main_of(gateway: Path) -> Callable[[list[str]], int]:
    return runpy.run_path(str(gateway / "__main__.py"), run_name="not main")["main"]


@pytest.fixture
def main(gateway: Path) -> Callable[[list[str]], int]:
    """The command."""
    return main_of(gateway)


def test_the_demonstration_shows_all_of_it_and_nothing_goes_wrong(
    main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--seconds", "6"]) == 0

    out = capsys.readouterr().out
    for said in (
        "generation 2: used by all",
        "refused: 1 of 13 tests failed",
        "worker-1 is killed",
        "guard is killed",
        "generation 1: used by all",
        "more than once: 0",
        "wrong decisions: 0",
    ):
        assert said in out


def test_policies_are_checked_published_and_taken_back_without_a_running_gateway(
    main: Callable[[list[str]], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_run = ["--run", str(tmp_path)]
    assert main(["check", *of_run]) == 0
    assert capsys.readouterr().out == "13 tests passed; 5 clients, 3 tenants, 2 routes, 3 limits, 1 keys\n"
    assert main(["publish", *of_run]) == 0
    assert main(["publish", *of_run]) == 0
    assert main(["back", *of_run]) == 0
    assert "generation 1: used by all" in capsys.readouterr().out
    assert main(["back", *of_run]) == 1
    assert "rolled back: there is no generation before the current one" in capsys.readouterr().err
    demo.edit(tmp_path / "source" / "policies" / "gateway.rego", demo.BROKEN)
    assert main(["publish", *of_run]) == 1
    said = "python examples/gateway: refused, and nothing was changed: 1 of 13 tests failed: gateway_test.test_the_larg"
    assert capsys.readouterr().err.startswith(said)


def test_what_is_not_installed_is_told_with_how_to_install_it(
    main: Callable[[list[str]], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("jwt", "regopy") else found(name))

    assert main([]) == 1
    said = "python examples/gateway: not installed: jwt, regopy; pip install -e '.[examples]'\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("seconds", ["0", "2", "601", "nan"])
def test_a_demonstration_has_its_bounds(
    seconds: str, main: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--seconds", seconds]) == 1
    assert capsys.readouterr().err == "python examples/gateway: --seconds must be 3 to 600\n"


@pytest.mark.parametrize(("seconds", "connections"), [(0, 1), (601, 1), (1, 0), (1, 65)])
def test_traffic_is_bounded(seconds: float, connections: int, run: Run) -> None:
    with pytest.raises(ValueError, match="at most 600 seconds"):
        asyncio.run(traffic.run(1, demo.issuer_of(run), seconds, connections=connections))


def test_no_process_outlives_a_supervisor_that_is_killed(gateway: Path, tmp_path: Path) -> None:
    run = Run(tmp_path)
    command = [sys.executable, str(gateway), "start", "--run", str(tmp_path), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        for line in started.stdout or ():
            if line.startswith("policies and facts"):
                break
        pids = json.loads(run.processes.read_text())["pids"]
        assert main_of(gateway)(["start", "--run", str(tmp_path), "--port", "0"]) == 1  # there is one already
        started.kill()
    until = time.monotonic() + LONG
    while left := [name for name, pid in pids.items() if is_there(pid)]:
        assert time.monotonic() < until, left
        time.sleep(0.05)
    assert sorted(pids) == ["guard", "upstream", "worker-0", "worker-1"]


def is_there(pid: int) -> bool:
    """Whether a process runs: one that has ended may be listed until somebody asks how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_folder_with_too_long_a_path_is_told(
    gateway: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_of(gateway)(["check", "--run", str(tmp_path / ("x" * 100))]) == 1
    assert "give a shorter path" in capsys.readouterr().err
