"""The Chromium of the system, for tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# No sandbox: continuous integration runs as root. The others keep the browser from asking for a network.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser. Meanwhile no other event loop of this thread can run: playwright has one."""
    in_ci = os.environ.get("CI") == "true"
    if CHROMIUM is None and not in_ci:
        pytest.skip("there is no Chromium: install Debian's package chromium")
    assert CHROMIUM, "continuous integration must have Chromium"
    sync_api = __import__("playwright.sync_api").sync_api if in_ci else pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        # Playwright hides scroll bars, which are what shows a reader that a table goes on.
        options = {"executable_path": CHROMIUM, "args": FLAGS, "ignore_default_args": ["--hide-scrollbars"]}
        launched = playwright.chromium.launch(**options)
        yield launched
        launched.close()
