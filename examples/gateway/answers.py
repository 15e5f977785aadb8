"""Every refusal that the gateway itself makes, and what it tells the caller. Those of the policy come from its rules.

A message says what to do. It never repeats what was sent, and says nothing of how the gateway works.
"""

from __future__ import annotations

MESSAGES = {
    "token_missing": "Send a token: Authorization: Bearer ...",
    "token_malformed": "The token cannot be read.",
    "token_forged": "The signature of the token is wrong.",
    "token_expired": "The token is too old: ask its issuer for a new one.",
    "token_not_yet_valid": "The token is of the future: look at the clock of its issuer.",
    "token_not_for_us": "A claim of the token is missing, or the token is for another service.",
    "key_unknown": "The token is signed with a key that is not known here.",
    "id_invalid": "Issuer, client and transaction id need 1 to 128 bytes of printable text.",
    "body_not_json": "Send JSON: Content-Type: application/json.",
    "body_too_large": "The body is too large.",
    "body_malformed": "The body is no JSON object.",
    "body_invalid": "A field of the body is missing, unknown, or of the wrong type.",
    "replayed": "This transaction was sent before: ask for its result, or send a new one with a new token.",
    "over_limit": "Too many requests: wait, then send the same token again.",
    "guard_gone": "The gateway cannot tell whether this is a replay: send it again with a new token.",
    "upstream_gone": "The service behind the gateway does not answer; whether it acted is not known.",
    "not_http": "This is no HTTP request.",
    "head_too_large": "The headers are too large.",
    "policy_failed": "The policy gives no decision.",
    "not_ready": "The gateway has no policies yet.",
    "failed": "The gateway failed.",
}
REFUSED_BY_POLICY = "The policy refuses this request."


class Refused(Exception):
    """A request is refused: the status of the answer, and the rule that says why."""

    def __init__(self, status: int, rule: str) -> None:
        super().__init__(rule)
        self.status, self.rule = status, rule


def message(rule: str) -> str:
    return MESSAGES.get(rule, REFUSED_BY_POLICY)
