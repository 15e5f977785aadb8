"""The gateway's guard: what it lets through once, what it remembers, and what it does when something breaks."""

import asyncio
import json
import os
import random
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("uvloop")

import guard as guarding
import identity
from guard_client import GuardClient, GuardGoneError
from guard_frames import ACCEPTED, OUTSIDE, OVER_LIMIT, RECORD, REPLAYED
from journal import Journal

WINDOW, RATE_WINDOW, NO_LIMIT = 60.0, 10.0, 2**32 - 1
Ask = tuple[int, int, int, float]


class Clock:
    now = 10_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def started(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], guarding.Guard]]:
    """Starts a guard over one journal; the one before is gone."""
    running: list[guarding.Guard] = []

    def start() -> guarding.Guard:
        for each in running:
            each.close()
        running[:] = [guarding.Guard(tmp_path, window=WINDOW, rate_window=RATE_WINDOW, clock=clock)]
        return running[0]

    yield start
    for each in running:
        each.close()


def decided(guard: guarding.Guard, *asked: Ask) -> list[int]:
    return guard.decide(np.array([*asked], RECORD)).tolist()


# --- replays ---


def test_an_id_is_accepted_once_in_a_batch_and_in_later_ones(started: Callable[[], guarding.Guard]) -> None:
    guard, until = started(), Clock.now + 30

    assert decided(guard, *[(7, 1, NO_LIMIT, until)] * 3) == [ACCEPTED, REPLAYED, REPLAYED]
    assert decided(guard, (7, 1, NO_LIMIT, until), (8, 1, NO_LIMIT, until)) == [REPLAYED, ACCEPTED]


def test_what_is_accepted_over_time_is_what_a_dict_of_times_says(
    started: Callable[[], guarding.Guard], clock: Clock
) -> None:
    """No id is accepted twice while its token can be used, and each is accepted again once it is surely forgotten."""
    guard, chosen, seen = started(), random.Random(1), {}
    for _ in range(3000):
        clock.now += chosen.random()
        if chosen.random() < 0.01:
            guard = started()
        each = chosen.randrange(40)
        answer = decided(guard, (each, each, NO_LIMIT, clock.now + WINDOW))[0]
        since = clock.now - seen.get(each, -np.inf)
        if since <= WINDOW:
            assert answer == REPLAYED
        elif since > WINDOW * (1 + 1 / guarding.PARTS):
            assert answer == ACCEPTED
        seen[each] = clock.now


def test_a_replay_that_was_refused_is_not_accepted_when_the_first_one_is_forgotten(
    started: Callable[[], guarding.Guard], clock: Clock
) -> None:
    guard = started()
    assert decided(guard, (7, 1, NO_LIMIT, clock.now + WINDOW)) == [ACCEPTED]
    clock.now += 50
    late = (7, 1, NO_LIMIT, clock.now + WINDOW)  # another token with the same transaction id
    assert decided(guard, late) == [REPLAYED]
    clock.now += 55

    assert decided(guard, late) == [REPLAYED]


@pytest.mark.parametrize("left", [0.0, -1.0, WINDOW + 0.5, float("nan"), float("inf"), float("-inf")])
def test_a_token_that_is_too_old_or_that_would_outlive_its_id_is_refused(
    started: Callable[[], guarding.Guard], clock: Clock, left: float
) -> None:
    guard = started()

    assert decided(guard, (7, 1, NO_LIMIT, clock.now + left)) == [OUTSIDE]
    assert decided(guard, (7, 1, NO_LIMIT, clock.now + 1)) == [ACCEPTED]  # its id was not burnt


def test_a_clock_that_is_set_back_brings_no_id_back(started: Callable[[], guarding.Guard], clock: Clock) -> None:
    guard = started()
    assert decided(guard, (7, 1, NO_LIMIT, clock.now + 30)) == [ACCEPTED]
    clock.now -= 1000

    assert decided(guard, (7, 1, NO_LIMIT, Clock.now + 30)) == [REPLAYED]


# --- limits ---


def test_a_client_has_its_limit_in_any_window_and_what_is_over_it_is_not_burnt(
    started: Callable[[], guarding.Guard], clock: Clock
) -> None:
    guard, until = started(), clock.now + 50
    asked = [(each, 1, 3, until) for each in range(5)]

    assert decided(guard, *asked, (100, 2, 3, until)) == [ACCEPTED] * 3 + [OVER_LIMIT] * 2 + [ACCEPTED]
    clock.now += 2 * RATE_WINDOW
    assert decided(guard, *asked[3:]) == [ACCEPTED] * 2


# --- the journal ---


def test_a_guard_that_starts_again_knows_what_it_has_answered(started: Callable[[], guarding.Guard]) -> None:
    ids = [int(each) for each in np.random.default_rng(0).integers(0, 2**64 - 1, 5000, np.uint64, endpoint=True)]
    asked = [(each, 1, NO_LIMIT, Clock.now + 30) for each in ids]
    assert set(decided(started(), *asked)) == {ACCEPTED}

    again = started()

    assert again.figures()["restored"] == 5000
    assert set(decided(again, *asked)) == {REPLAYED}


def test_its_figures_tell_how_full_each_part_is(started: Callable[[], guarding.Guard], clock: Clock) -> None:
    guard = started()
    decided(guard, *((each, 1, NO_LIMIT, clock.now + 30) for each in range(100, 113)))  # as many as two buckets take
    clock.now += WINDOW / 2
    decided(guard, (7, 1, NO_LIMIT, clock.now + 30))

    assert guard.figures()["load_factors"] == [6.5, 1.0]


def test_a_record_that_was_torn_is_cut_off_and_later_ones_are_whole(
    started: Callable[[], guarding.Guard], tmp_path: Path
) -> None:
    asked = [(each, 1, NO_LIMIT, Clock.now + 30) for each in (2**63 + 5, 6, 7)]
    decided(started(), *asked[:2])
    (path,) = tmp_path.glob("*.ids")
    assert path.read_bytes() == struct.pack("<QQ", 2**63 + 5, 6)  # eight bytes each, as journal.py says
    with path.open("ab") as file:
        file.write(b"\x01\x02\x03")

    assert decided(started(), *asked) == [REPLAYED, REPLAYED, ACCEPTED]
    assert decided(started(), *asked) == [REPLAYED] * 3


def test_files_of_dropped_parts_are_removed_by_the_running_guard_and_by_one_that_starts(
    started: Callable[[], guarding.Guard], clock: Clock, tmp_path: Path
) -> None:
    guard, parts = started(), set()
    for each in range(400):
        decided(guard, (each, 1, NO_LIMIT, clock.now + 30))
        parts.add(frozenset(tmp_path.glob("*.ids")))
        clock.now += 1
    assert max(map(len, parts)) == guarding.PARTS + 1  # with that of now
    clock.now += 10 * WINDOW

    assert started().figures()["restored"] == 0
    assert [*tmp_path.glob("*.ids")] == []


def test_what_cannot_be_written_is_not_answered(
    started: Callable[[], guarding.Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = started()
    monkeypatch.setattr(os, "write", lambda file, content: len(content) - 1)

    with pytest.raises(OSError, match="is the disk full"):
        decided(guard, (7, 1, NO_LIMIT, Clock.now + 30))


def test_two_guards_cannot_have_one_journal(started: Callable[[], guarding.Guard], tmp_path: Path) -> None:
    started()

    with pytest.raises(BlockingIOError):
        Journal(tmp_path, WINDOW, guarding.PARTS)


# --- the hash ---


def test_ids_that_run_into_one_another_have_different_hashes() -> None:
    key = b"k" * 32
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("a", "b", "c")]

    assert len({identity.number(key, *each) for each in parts}) == len(parts)
    assert identity.number(key, "a") != identity.number(b"j" * 32, "a")
    assert 0 <= identity.number(key, "a") < 2**64


# --- the service ---


async def serving(guard: guarding.Guard, folder: Path) -> tuple[asyncio.Task[None], str]:
    path = str(folder / "s")
    task = asyncio.create_task(guarding.serve(guard, path))
    while not os.path.exists(path):
        await asyncio.sleep(0.001)
    return task, path


def test_requests_of_a_moment_share_frames_and_each_gets_its_own_answer(
    started: Callable[[], guarding.Guard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        guard, frames = started(), []
        decide = guard.decide
        monkeypatch.setattr(guard, "decide", lambda asked: frames.append(len(asked)) or decide(asked))
        task, path = await serving(guard, tmp_path)
        clients = [GuardClient(path) for _ in range(2)]
        until = Clock.now + 30
        asked = [client.ask(each, 1, NO_LIMIT, until) for each in range(500) for client in clients]
        answers = await asyncio.gather(*asked)
        pairs = [sorted(answers[at : at + 2]) for at in range(0, 1000, 2)]
        assert pairs == [[ACCEPTED, REPLAYED]] * 500
        assert len(frames) < 20
        assert (await clients[0].figures())["ids"] == 500
        for client in clients:
            client.close()
        task.cancel()

    asyncio.run(main())


def test_without_a_guard_each_request_fails_and_with_a_new_one_they_go_on(
    started: Callable[[], guarding.Guard], tmp_path: Path
) -> None:
    async def main() -> None:
        client = GuardClient(str(tmp_path / "s"))
        with pytest.raises(GuardGoneError):
            await client.ask(7, 1, NO_LIMIT, Clock.now + 30)
        task, _ = await serving(started(), tmp_path)
        assert await client.ask(7, 1, NO_LIMIT, Clock.now + 30) == ACCEPTED
        client.close()
        task.cancel()

    asyncio.run(main())


def test_a_connection_that_is_lost_is_made_again_and_nobody_waits_for_ever(
    started: Callable[[], guarding.Guard], tmp_path: Path
) -> None:
    async def main() -> None:
        task, path = await serving(started(), tmp_path)
        client = GuardClient(path)
        assert await client.ask(7, 1, NO_LIMIT, Clock.now + 30) == ACCEPTED
        client._streams[0].feed_eof()  # as if the guard were killed
        asked = [asyncio.create_task(client.ask(each, 1, NO_LIMIT, Clock.now + 30)) for each in (8, 9, 10)]
        await asyncio.sleep(0)
        asked[0].cancel()
        said = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        assert [type(each) for each in said] == [asyncio.CancelledError, GuardGoneError, GuardGoneError]
        assert await client.ask(7, 1, NO_LIMIT, Clock.now + 30) == REPLAYED
        client.close()
        task.cancel()

    asyncio.run(main())


def test_a_guard_that_does_not_answer_in_time_is_as_good_as_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(tmp_path / "s"))
            silent.listen()
            client = GuardClient(str(tmp_path / "s"))
            asked = [client.ask(each, 1, 1, 0.0) for each in range(3)]
            said = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in said] == [GuardGoneError] * 3

    monkeypatch.setattr("guard_client.PATIENCE", 0.05)
    asyncio.run(main())


def test_who_hangs_up_takes_no_answer_from_another(started: Callable[[], guarding.Guard], tmp_path: Path) -> None:
    async def main() -> None:
        task, path = await serving(started(), tmp_path)
        client = GuardClient(path)
        asked = [asyncio.create_task(client.ask(each, 1, NO_LIMIT, Clock.now + 30)) for each in (1, 1, 2, 2)]
        await asyncio.sleep(0)
        asked[1].cancel()
        said = await asyncio.gather(*asked, return_exceptions=True)
        assert [said[0], *said[2:]] == [ACCEPTED, ACCEPTED, REPLAYED]
        client.close()
        task.cancel()

    asyncio.run(main())


@pytest.mark.parametrize("frame", [struct.pack("<I", 2**31), struct.pack("<I", 5) + b"12345", b"\x01"])
def test_who_sends_no_frames_is_hung_up_on_and_others_are_served(
    frame: bytes, started: Callable[[], guarding.Guard], tmp_path: Path
) -> None:
    async def main() -> None:
        task, path = await serving(started(), tmp_path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(frame)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        client = GuardClient(path)
        assert json.loads(json.dumps(await client.figures()))["ids"] == 0
        client.close()
        task.cancel()

    asyncio.run(main())


def test_the_service_ends_when_its_journal_cannot_be_written(
    started: Callable[[], guarding.Guard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        guard = started()
        task, path = await serving(guard, tmp_path)

        def full(ids: np.ndarray, now: float) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr(guard._journal, "append", full)
        client = GuardClient(path)
        with pytest.raises(GuardGoneError):
            await client.ask(7, 1, NO_LIMIT, Clock.now + 30)
        with pytest.raises(OSError, match="No space left"):
            await task
        client.close()

    asyncio.run(main())
