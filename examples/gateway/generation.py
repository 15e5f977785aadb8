"""Generations: a compiled bundle, the maps of facts, and the public keys, which belong together.

    store/generations/00000042/   a generation: it is tested before it is there, and never changes
        bundle.rbb  clients.pyhmap ...  keys.json  policies/
        manifest.json             SHA-256 of each file; the generation before it
    store/canary.CURRENT ...      which generation the first worker follows
    store/stable.CURRENT ...      which one the other workers follow

The last two are pyhmap's Publisher and Subscriber, of a map with two entries: the number of a generation, and the
SHA-256 of its manifest. So a switch is one rename, a crash leaves the generation before or the one after, and only one
process publishes at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import facts
import policy
from pyhmap import HMap, Publisher, Subscriber
from tokens import Keys

CHANNELS = ("canary", "stable")
KEPT = 10  # generations: as far back as a rollback can go
FILES = ("bundle.rbb", "keys.json", *(f"{name}.pyhmap" for name in facts.TABLES))


class GenerationError(Exception):
    """A generation is not there, or is damaged."""


@dataclass(frozen=True)
class Generation:
    """Everything a request is judged by. A request takes one, and uses nothing else."""

    number: int
    policy: policy.Policy
    facts: facts.Facts
    keys: Keys


class Publishing:
    """The one publisher of a store: builds generations, and says who follows which."""

    def __init__(self, store: Path) -> None:
        self._folder = store / "generations"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._channels = {name: Publisher(store, name) for name in CHANNELS}
        self._subscribers = {name: Subscriber(store, name, every=0) for name in CHANNELS}
        for left in self._folder.glob(".*"):  # by a publisher that was killed
            shutil.rmtree(left)

    def build(self, source: Path) -> int:
        """Check, compile and test what is in a folder, and keep it as a new generation, which no worker follows yet.

        Raises PolicyError, FactsError or KeysError, and changes nothing, if it must not be used.
        """
        made = Path(tempfile.mkdtemp(dir=self._folder, prefix="."))
        try:
            check(source, made)
            shutil.copytree(source / "policies", made / "policies")  # to look up later what was decided by
            digests = {name: _sha256(made / name) for name in FILES}
            manifest = {"made": time.time(), "before": self.following("stable"), "sha256": digests}
            (made / "manifest.json").write_text(json.dumps(manifest, indent=1))
            for each in (*made.iterdir(), made):
                _flush(each)
            number = max(self._numbers(), default=0) + 1
            made.rename(self._path(number))
            _flush(self._folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return number

    def publish(self, number: int, channel: str) -> None:
        """Let the workers of a channel follow a generation, old or new."""
        try:
            manifest = (self._path(number) / "manifest.json").read_bytes()
        except FileNotFoundError:
            raise GenerationError(f"there is no generation {number}; there are {self._numbers()}") from None
        digest = hashlib.sha256(manifest).hexdigest()
        self._channels[channel].publish(HMap(str, "U64", {"generation": str(number), "manifest": digest}))
        used = {self.following(name) for name in CHANNELS}
        for old in self._numbers()[:-KEPT]:
            if old not in used:
                shutil.rmtree(self._path(old), ignore_errors=True)

    def following(self, channel: str) -> int:
        """The generation that a channel follows; 0 if it follows none."""
        try:
            return int(self._subscribers[channel].current()["generation"])
        except FileNotFoundError:
            return 0

    def before(self, number: int) -> int:
        """The generation that was in use when this one was made; 0 if it was the first."""
        return json.loads((self._path(number) / "manifest.json").read_bytes())["before"]

    def close(self) -> None:
        for each in self._channels.values():
            each.close()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}"

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdecimal())


def check(source: Path, target: Path) -> dict[str, Any]:
    """Check, compile and test a folder of policies, facts and keys. Returns the tests and the numbers of rows."""
    tests = policy.prepare(source / "policies", target / "bundle.rbb")
    rows = facts.build(source / "facts", target)
    keys = source / "facts" / "keys.json"
    try:
        shutil.copy(keys, target / "keys.json")
    except OSError as error:
        raise facts.FactsError(f"keys.json: cannot be read: {error.strerror}") from None
    return {"tests": tests, "rows": rows | {"keys": len(Keys(target / "keys.json"))}}


@contextmanager
def publishing(store: Path) -> Iterator[Publishing]:
    """A Publishing that is closed at the end of the block. BlockingIOError: another process publishes."""
    made = Publishing(store)
    try:
        yield made
    finally:
        made.close()


class Follower:
    """A worker's side: the generation to judge by."""

    def __init__(self, store: Path, channel: str, open_facts: type[facts.Facts] = facts.Facts) -> None:
        self._folder = store / "generations"
        self._open_facts = open_facts
        self._subscriber = Subscriber(store, channel, every=0)
        self._opened: Any = None  # which pointer led to the generation in use
        self.asked = 0  # the number of the generation to follow, whether or not it can be used

    async def newer(self) -> Generation | None:
        """The generation to follow, if it is another than the one that this returned last.

        Raises OSError, ValueError or one of their kind in ERRORS if it cannot be used: the one before stays in use.
        """
        pointer = self._subscriber.current()
        if pointer is self._opened:
            return None
        number = self.asked = int(pointer["generation"])
        folder = self._folder / f"{number:08d}"
        if _sha256(folder / "manifest.json") != pointer["manifest"]:
            raise GenerationError(f"the manifest of generation {number} is not the one that was published")
        digests = json.loads((folder / "manifest.json").read_bytes())["sha256"]
        for name in ("bundle.rbb", "keys.json"):
            if _sha256(folder / name) != digests[name]:
                raise GenerationError(f"{name} of generation {number} is not the one that was published")
        opened = await asyncio.to_thread(self._open_facts, folder, digests)  # reads the files: requests go on meanwhile
        made = Generation(number, policy.Policy(folder / "bundle.rbb"), opened, Keys(folder / "keys.json"))
        self._opened = pointer
        return made


# What newer() raises.
ERRORS = (OSError, ValueError, KeyError, GenerationError, policy.PolicyError)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _flush(path: Path) -> None:
    """Bring a file or the names in a folder to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
