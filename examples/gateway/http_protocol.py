"""HTTP as uvicorn speaks it, but for two things: what is not HTTP is answered in JSON, and a head has a largest size.

httptools keeps a head in memory for as long as it does not end.
"""

from __future__ import annotations

import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import answers

MOST_HEAD_BYTES = 32768


class Protocol(HttpToolsProtocol):
    """One connection."""

    _waiting = 0  # bytes since a head or a piece of a body was complete

    def data_received(self, data: bytes) -> None:
        self._waiting += len(data)
        super().data_received(data)
        if self._waiting > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "head_too_large")

    def on_headers_complete(self) -> None:
        self._waiting = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._waiting = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "not_http")

    def _refuse(self, status: int, rule: str) -> None:
        content: dict[str, Any] = {"error": rule, "message": answers.message(rule)}
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}x-rule: {rule}\r\nconnection: close\r\n\r\n".encode() + body)
        self.transport.close()
