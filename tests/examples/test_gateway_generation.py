"""Policies and facts of the gateway: what is refused before anybody uses it, what is decided, how one is switched."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("regopy")
pytest.importorskip("jwt")

import facts
import generation
import policy
from generation import Follower, GenerationError, Publishing, publishing
from issuer import Issuer, write_keys
from tokens import Keys, KeysError

Edit = Callable[[str, Callable[[str], str]], None]


@pytest.fixture
def source(gateway: Path, tmp_path: Path) -> Path:
    """A copy of the example's policies and facts, with keys."""
    made = tmp_path / "source"
    for name in ("policies", "facts"):
        shutil.copytree(gateway / name, made / name)
    write_keys(made / "facts" / "keys.json", Issuer())
    return made


@pytest.fixture
def edit(source: Path) -> Edit:
    def change(name: str, how: Callable[[str], str]) -> None:
        path = source / name
        before = path.read_text()
        path.write_text(how(before))
        assert path.read_text() != before

    return change


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


# --- policies ---


def test_the_policies_of_the_example_pass_their_own_tests(source: Path, tmp_path: Path) -> None:
    written = "".join(path.read_text() for path in (source / "policies").glob("*_test.rego"))

    tests = policy.prepare(source / "policies", tmp_path / "bundle.rbb")

    assert len(tests) == written.count("\ntest_") > 10


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("asked.body.amount > asked", "asked.body.amount >= asked"),
        ("asked.client.issuer != asked.issuer", "asked.client.issuer == null"),
        ('asked.client.status != "active"', 'asked.client.status == "suspended"'),
        ("not tenant_is_active(asked)", 'asked.tenant.status == "suspended"'),
        ("not asked.route.scope in asked.client.scopes", "count(asked.client.scopes) == 0"),
        ("asked.client == null", "asked.client == false"),
    ],
)
def test_each_rule_that_is_loosened_fails_a_test_of_the_policies(
    old: str, new: str, source: Path, edit: Edit, tmp_path: Path
) -> None:
    edit("policies/gateway.rego", replaced(old, new))

    with pytest.raises(policy.PolicyError, match=r"\d of \d+ tests failed: gateway_test\.test_"):
        policy.prepare(source / "policies", tmp_path / "bundle.rbb")
    assert not (tmp_path / "bundle.rbb").exists()


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("gateway.rego", lambda text: text + "\nnew := {", "gateway.rego: this is unclosed"),
        ("gateway.rego", replaced("decision :=", "decided :="), "is not defined"),
        (
            "gateway.rego",
            replaced("judged(input)", '{"status": 200, "rule": "allowed"}'),
            "nothing is known is allowed",
        ),
        ("masking.rego", replaced('"last_four"', '"hidden"'), "masking_test.test_of_a_card"),
        ("masking.rego", replaced('"currency": "shown"', '"currency": "upper"'), "masking_test.test_nothing"),
        ("masking.rego", lambda text: text + '\nfields := {"x": "shown"}\n', "masking_test"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_its_reason(
    name: str, how: Callable[[str], str], said: str, source: Path, edit: Edit, tmp_path: Path
) -> None:
    edit(f"policies/{name}", how)

    with pytest.raises(policy.PolicyError, match=said):
        policy.prepare(source / "policies", tmp_path / "bundle.rbb")


def test_policies_without_modules_or_without_tests_are_refused(source: Path, tmp_path: Path) -> None:
    for path in (source / "policies").glob("*_test.rego"):
        path.unlink()
    with pytest.raises(policy.PolicyError, match="no tests"):
        policy.prepare(source / "policies", tmp_path / "bundle.rbb")
    shutil.rmtree(source / "policies")
    (source / "policies").mkdir()
    with pytest.raises(policy.PolicyError, match="no modules"):
        policy.prepare(source / "policies", tmp_path / "bundle.rbb")


def test_a_policy_that_ends_the_compiler_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o700)
    monkeypatch.setattr(policy.sys, "executable", str(crashing))

    with pytest.raises(policy.PolicyError, match="ended with signal 11"):
        policy.prepare(source / "policies", tmp_path / "bundle.rbb")


def test_policies_that_take_too_long_are_refused(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "PATIENCE", 0.01)

    with pytest.raises(policy.PolicyError, match="not compiled and tested within"):
        policy.prepare(source / "policies", tmp_path / "bundle.rbb")


@pytest.mark.parametrize(
    "decision",
    [
        '{"status": 200, "rule": "client_unknown"}',
        '{"status": 403, "rule": "allowed"}',
        '{"status": 302, "rule": "moved"}',
        '{"status": 403}',
        '{"status": 403, "rule": "Not A Name"}',
        "true",
    ],
)
def test_what_is_no_decision_allows_nothing(decision: str, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    refusal = '{"status": 403, "rule": "no"}'
    text = f"package gateway\n\ndecision := {refusal} if input.route == null\n\nelse := {decision}\n"
    (folder / "a.rego").write_text(text)
    (folder / "b.rego").write_text('package masking\n\nfields := {"client": "pseudonym"}\n')
    (folder / "a_test.rego").write_text("package a_test\n\ntest_nothing if true\n")
    policy.prepare(folder, tmp_path / "bundle.rbb")

    with pytest.raises(policy.PolicyError, match="must be"):
        policy.Policy(tmp_path / "bundle.rbb").decide({"route": {}})


# --- facts ---


def test_facts_are_looked_up_as_the_policy_needs_them(source: Path, tmp_path: Path) -> None:
    assert facts.build(source / "facts", tmp_path)["clients"] == 5
    digests = {f"{name}.pyhmap": generation._sha256(tmp_path / f"{name}.pyhmap") for name in facts.TABLES}
    opened = facts.Facts(tmp_path, digests)

    assert opened.look_up("clinic-7-audit", "GET /balance") == {
        "client": {"issuer": "https://login.example", "tenant": "clinic-7", "status": "active", "scopes": ["read"]},
        "tenant": {"status": "active", "currency": "CNY", "largest_amount": 100_000},
        "route": {"scope": "read"},
    }
    assert opened.look_up("nobody", "GET /") == {"client": None, "tenant": None, "route": None}
    assert opened.limit("clinic-7-audit", "GET /balance") == 20
    assert opened.limit("clinic-7-desk", "GET /balance") == 100_000


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("clients", {"tenant": "nowhere"}, "tenant 'nowhere' of 'clinic-7-desk' is not in tenants.json"),
        ("clients", {"client": "clinic-7-audit"}, "clients.json, row 2: 'clinic-7-audit' is there twice"),
        ("clients", {"status": 5}, "clients.json, row 1: .*int"),
        ("clients", {"status": "x" * 17}, "clients.json, row 1: .*too many"),
        ("clients", {"colour": "red"}, "clients.json, row 1: must have client, issuer"),
        ("clients", {"client": ["x"]}, "clients.json, row 1"),
        ("tenants", {"largest_amount": 10**30}, "tenants.json, row 1: .*outside"),
        ("tenants", {"largest_amount": "many"}, "tenants.json, row 1: .*str"),
        ("limits", {"requests": -1}, "limits.json, row 1: .*outside"),
        ("limits", {"client": "nobody"}, "no limit of 'POST /settlements'"),
        ("limits", {"route": "GET /nowhere"}, "no limit of 'POST /settlements'"),
        ("routes", {"route": "GET /new"}, "no limit of 'GET /new'"),
    ],
)
def test_facts_that_do_not_fit_are_refused_with_their_place(
    table: str, change: dict[str, Any], said: str, source: Path, tmp_path: Path
) -> None:
    path = source / "facts" / f"{table}.json"
    rows = json.loads(path.read_text())
    rows[0] |= change
    path.write_text(json.dumps(rows))

    with pytest.raises(facts.FactsError, match=said):
        facts.build(source / "facts", tmp_path)


@pytest.mark.parametrize("content", ["", "{", "{}", "[1]", '[{"route": "GET /x"}]', "[" * 10**5, "\x00"])
def test_files_that_hold_no_table_are_refused(content: str, source: Path, tmp_path: Path) -> None:
    (source / "facts" / "routes.json").write_text(content)

    with pytest.raises(facts.FactsError, match=r"routes\.json"):
        facts.build(source / "facts", tmp_path)


# --- keys ---


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"a": 1}', '{"a": [1]}', '{"a": [{"kty": "OKP"}]}', '{"a": [{"kty": "oct", "k": "YQ"}]}'],
)
def test_files_that_hold_no_keys_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(content)

    with pytest.raises(KeysError, match=r"keys\.json"):
        Keys(tmp_path / "keys.json")


def test_a_private_key_and_a_kid_of_two_keys_are_refused(tmp_path: Path) -> None:
    path, key = tmp_path / "keys.json", Issuer().jwk()
    path.write_text(json.dumps({"a": [key | {"d": "AAAA"}]}))
    with pytest.raises(KeysError, match="a private key of 'a'"):
        Keys(path)
    path.write_text(json.dumps({"a": [key], "b": [key]}))
    with pytest.raises(KeysError, match="there twice"):
        Keys(path)


# --- generations ---


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    made.mkdir()
    return made


def test_a_generation_is_followed_by_those_it_is_published_to(source: Path, store: Path, edit: Edit) -> None:
    asked = {"issuer": "i", "route": {"scope": "settle"}, "client": None, "body": None}

    async def main() -> None:
        followers = {channel: Follower(store, channel) for channel in generation.CHANNELS}
        with publishing(store) as made:
            first = made.build(source)
            assert made.following("stable") == 0
            for channel in generation.CHANNELS:
                made.publish(first, channel)
            opened = {channel: await each.newer() for channel, each in followers.items()}
            assert {each.number for each in opened.values()} == {first}
            edit("policies/gateway.rego", replaced('"rule": "client_unknown"', '"rule": "client_not_known"'))
            edit("policies/gateway_test.rego", replaced('== "client_unknown"', '== "client_not_known"'))
            second = made.build(source)
            made.publish(second, "canary")
            newer = await followers["canary"].newer()
            assert await followers["stable"].newer() is None
            assert newer.policy.decide(asked).rule == "client_not_known"
            assert opened["canary"].policy.decide(asked).rule == "client_unknown"
            assert made.before(second) == first
            made.publish(first, "canary")
            assert (await followers["canary"].newer()).number == first

    asyncio.run(main())


@pytest.mark.parametrize("name", ["bundle.rbb", "keys.json", "clients.pyhmap", "manifest.json"])
def test_a_generation_that_was_changed_afterwards_is_not_used(name: str, source: Path, store: Path) -> None:
    async def main() -> None:
        follower = Follower(store, "stable")
        with publishing(store) as made:
            made.publish(made.build(source), "stable")
            path = store / "generations" / "00000001" / name
            path.write_bytes(path.read_bytes() + b"\n")  # JSON says the same with it
            with pytest.raises(generation.ERRORS):
                await follower.newer()
            made.publish(made.build(source), "stable")
            assert (await follower.newer()).number == 2

    asyncio.run(main())


def test_what_is_refused_leaves_nothing_behind(source: Path, store: Path, edit: Edit) -> None:
    with publishing(store) as made:
        made.publish(made.build(source), "stable")
        edit("policies/gateway.rego", replaced("asked.body.amount > asked", "asked.body.amount < asked"))
        with pytest.raises(policy.PolicyError):
            made.build(source)
        assert [path.name for path in (store / "generations").iterdir()] == ["00000001"]
        assert made.following("stable") == 1


def test_what_a_killed_publisher_has_left_is_removed(source: Path, store: Path) -> None:
    left = store / "generations" / ".left"
    left.mkdir(parents=True)

    with publishing(store) as made:
        assert not left.exists()
        assert made.build(source) == 1


def test_old_generations_are_removed_but_for_those_that_are_followed(
    source: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "KEPT", 2)
    with publishing(store) as made:
        made.publish(made.build(source), "stable")
        for _ in range(4):
            made.publish(made.build(source), "canary")
        assert sorted(path.name for path in (store / "generations").iterdir()) == [f"{n:08d}" for n in (1, 4, 5)]
        with pytest.raises(GenerationError, match=r"there is no generation 2; there are \[1, 4, 5\]"):
            made.publish(2, "canary")


def test_there_is_one_publisher_at_a_time(store: Path) -> None:
    with publishing(store), pytest.raises(BlockingIOError, match="only one at a time"):
        Publishing(store)
