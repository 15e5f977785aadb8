"""What all processes of the gateway must agree on: times, sizes, and where things lie in the folder of a run.

Owns the two secrets as well. They are made once, with the folder, and each process reads them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

WINDOW = 300  # seconds after its issue in which a token can be used, and in which its transaction id is known
LEEWAY = 5  # seconds by which the clocks of issuers may be ahead of ours
RATE_WINDOW = 10  # seconds over which the requests of a client are counted
MOST_ID_BYTES = 128  # of an issuer, a client and a transaction id
MOST_TOKEN_BYTES = 4096
MOST_BODY_BYTES = 16384
AUDIENCE = "settlement-gateway"
WORKERS = 2
MOST_SOCKET_BYTES = 107  # of the path of a socket: Linux takes no more


@dataclass(frozen=True)
class Run:
    """The folder of a running gateway."""

    folder: Path

    def __post_init__(self) -> None:
        if len(self.upstream.encode()) > MOST_SOCKET_BYTES:
            said = "the sockets in this folder would have names that are too long: give a shorter path"
            raise OSError(errno.ENAMETOOLONG, said, str(self.folder))
        for each in (self.folder, self.logs, self.journal, self.store):
            each.mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o700)  # the sockets and the secrets are for this user alone

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    @property
    def journal(self) -> Path:
        """Of the guard."""
        return self.folder / "journal"

    @property
    def store(self) -> Path:
        """The generations of policies and facts."""
        return self.folder / "store"

    @property
    def guard(self) -> str:
        """The socket of the guard."""
        return str(self.folder / "guard.sock")

    @property
    def upstream(self) -> str:
        """The socket of the service behind the gateway."""
        return str(self.folder / "upstream.sock")

    @property
    def processes(self) -> Path:
        """What the supervisor runs now: names, process numbers, ports."""
        return self.folder / "processes.json"

    @cached_property
    def secrets(self) -> Secrets:
        path = self.folder / "secrets.json"
        if not path.exists():
            temporary = self.folder / f"secrets.{os.getpid()}.tmp"
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({name: secrets.token_hex(32) for name in ("transactions", "pseudonyms")}, file)
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(temporary, path)
            temporary.unlink()
        made = json.loads(path.read_text())
        return Secrets(bytes.fromhex(made["transactions"]), bytes.fromhex(made["pseudonyms"]))


@dataclass(frozen=True, repr=False)  # a secret is in no message
class Secrets:
    """The keys of the two keyed hashes: that of what the guard keeps, and that of the log."""

    transactions: bytes
    pseudonyms: bytes
