"""Bearer tokens: who asks, and for which transaction. PyJWT verifies the signature and the times.

A token names its key by `kid`. The public keys are a file of the generation, so that a key is added, and later
removed, as a policy is. Each key belongs to one issuer. Only EdDSA is accepted: the token has no say in that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from answers import Refused
from settings import AUDIENCE, LEEWAY, MOST_ID_BYTES, MOST_TOKEN_BYTES, WINDOW

CLAIMS = ["iss", "sub", "aud", "iat", "exp", "jti"]
ALGORITHM = "EdDSA"


class KeysError(ValueError):
    """A file of keys that is none; the message says why."""


@dataclass(frozen=True)
class Token:
    """What a verified token says."""

    issuer: str
    client: str
    transaction: str
    expires: float


class Keys:
    """The public keys, from a file {"issuer": [key, ...], ...}; a key is a JWK with a kid."""

    def __init__(self, path: Path) -> None:
        self._keys: dict[str, tuple[str, jwt.PyJWK]] = {}
        try:
            for issuer, keys in json.loads(path.read_bytes()).items():
                for each in keys:
                    if "d" in each:
                        raise KeysError(f"{path.name}: a private key of {issuer!r}; give the public one, without 'd'")
                    key = jwt.PyJWK(each, ALGORITHM)
                    if not key.key_id or key.key_id in self._keys:
                        raise KeysError(f"{path.name}: kid {key.key_id!r} is missing or there twice")
                    self._keys[key.key_id] = issuer, key
        except (ValueError, TypeError, AttributeError, RecursionError, jwt.PyJWTError) as error:
            if isinstance(error, KeysError):
                raise
            raise KeysError(f"{path.name}: not of the form {{issuer: [JWK, ...]}}: {type(error).__name__}") from None
        if not self._keys:
            raise KeysError(f"{path.name}: no keys")

    def __len__(self) -> int:
        return len(self._keys)

    def verify(self, authorization: str | None, now: float) -> Token:
        """The token of an Authorization header, or Refused."""
        if not authorization:
            raise Refused(401, "token_missing")
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(encoded) <= MOST_TOKEN_BYTES:
            raise Refused(401, "token_malformed")
        try:
            claims = self._claims(encoded)
        except jwt.ExpiredSignatureError:
            raise Refused(401, "token_expired") from None
        except jwt.ImmatureSignatureError:
            raise Refused(401, "token_not_yet_valid") from None
        except jwt.InvalidSignatureError:
            raise Refused(401, "token_forged") from None
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError, jwt.MissingRequiredClaimError):
            raise Refused(401, "token_not_for_us") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Refused(401, "token_malformed") from None
        return _token(claims, now)

    def _claims(self, encoded: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(encoded).get("kid")
        found = self._keys.get(kid) if isinstance(kid, str) else None
        if found is None:
            raise Refused(401, "key_unknown")
        issuer, key = found
        return jwt.decode(
            encoded,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": CLAIMS},
        )


def _token(claims: dict[str, Any], now: float) -> Token:
    times = claims["iat"], claims["exp"]
    if not all(type(time) in (int, float) for time in times):  # PyJWT also takes texts of digits
        raise Refused(401, "token_malformed")
    ids = claims["iss"], claims["sub"], claims["jti"]
    if not all(isinstance(each, str) and _is_short(each) for each in ids):
        raise Refused(400, "id_invalid")
    expires = min(times[1], times[0] + WINDOW)
    if expires <= now:
        raise Refused(401, "token_expired")
    return Token(*ids, expires)


def _is_short(text: str) -> bool:
    return 0 < len(text.encode(errors="surrogatepass")) <= MOST_ID_BYTES and text.isprintable()
