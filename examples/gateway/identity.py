"""Keyed hashes: what stands for an id where the id itself must not be.

Parts are hashed with their lengths, so that ("ab", "c") and ("a", "bc") differ.
"""

from __future__ import annotations

import hashlib


def digest(key: bytes, *parts: str, size: int = 8) -> bytes:
    hashed = hashlib.blake2b(key=key, digest_size=size)
    for part in parts:
        encoded = part.encode()
        hashed.update(len(encoded).to_bytes(4, "little"))
        hashed.update(encoded)
    return hashed.digest()


def number(key: bytes, *parts: str) -> int:
    """The same, as a number of 64 bits."""
    return int.from_bytes(digest(key, *parts), "little")
