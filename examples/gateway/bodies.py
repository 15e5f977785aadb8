"""The body of a settlement: what it must be, so that policy, log and the service behind see the same values.

What was read is written again for the service behind. So a body that two programs might read differently, such as one
with a field twice, cannot be judged as one thing and settled as another.
"""

from __future__ import annotations

import json
from typing import Any

from answers import Refused

LARGEST = 10**12
TEXTS = {"currency": 3, "card": 32, "name": 128, "id_number": 64}  # the most characters of each


def read(content_type: str | None, body: bytes) -> dict[str, Any]:
    """The fields of a body, or Refused."""
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "body_not_json")
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "body_malformed") from None
    if not isinstance(fields, dict):
        raise Refused(400, "body_malformed")
    amount = fields.get("amount")
    if type(amount) is not int or not 0 < amount <= LARGEST or fields.keys() != {"amount", *TEXTS}:
        raise Refused(400, "body_invalid")
    for name, most in TEXTS.items():
        text = fields[name]
        if not isinstance(text, str) or not 0 < len(text) <= most or not text.isprintable():
            raise Refused(400, "body_invalid")
    return fields
