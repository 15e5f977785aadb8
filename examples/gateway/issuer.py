"""An issuer of tokens for the example: its private key, and the tokens that it signs. A real one is a service apart."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm

from settings import AUDIENCE, WINDOW

NAME = "https://login.example"


class Issuer:
    """A key with its kid. ``private`` is the key of an earlier issuer, to go on with it."""

    def __init__(self, kid: str = "2026-a", *, name: str = NAME, private: Ed25519PrivateKey | None = None) -> None:
        self.kid, self.name = kid, name
        self._private = private or Ed25519PrivateKey.generate()

    @classmethod
    def kept(cls, path: Path) -> Issuer:
        """That of a file, which is made if it is not there."""
        try:
            return cls(private=load_pem_private_key(path.read_bytes(), None))
        except FileNotFoundError:
            made = cls()
            pem = made._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
            return made

    def jwk(self) -> dict[str, str]:
        """The public key."""
        return json.loads(OKPAlgorithm.to_jwk(self._private.public_key())) | {"kid": self.kid, "use": "sig"}

    def token(self, client: str, **claims: Any) -> str:
        """A token for a client. ``claims`` replace what it would say, or take it away if they are None."""
        now = time.time()
        usual = {"iss": self.name, "sub": client, "aud": AUDIENCE, "jti": uuid.uuid4().hex}
        said = usual | {"iat": int(now), "exp": int(now) + WINDOW} | claims
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, self._private, "EdDSA", headers={"kid": self.kid})


def write_keys(path: Path, *issuers: Issuer) -> None:
    """The file of public keys that a generation takes."""
    keys: dict[str, list[dict[str, str]]] = {}
    for each in issuers:
        keys.setdefault(each.name, []).append(each.jwk())
    path.write_text(json.dumps(keys, indent=1))
