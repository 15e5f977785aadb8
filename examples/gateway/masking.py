"""How the log shows a field: as the policy says, and not at all if it says nothing.

A pseudonym is a keyed hash, the same in every worker and on every day, so that what one client did can be followed
without knowing who it is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

import identity


def masked(fields: Mapping[str, str], methods: Mapping[str, str], key: bytes) -> dict[str, str]:
    """The fields of a request as the log may show them."""
    return {name: _masked(name, value, methods[name], key) for name, value in fields.items() if name in methods}


def _masked(name: str, value: str, method: str, key: bytes) -> str:
    if method == "shown":
        return value
    if method == "last_four":
        return "*" * 12 + (value[-4:] if len(value) >= 8 else "")  # of a short one, four would be most of it
    hashed = identity.digest(key, name, value, size=10)
    return f"{name}-{base64.b32encode(hashed).decode().lower()}"
