"""Shared by the cache's tests: a clean configuration, and the expected digest."""

import pytest
import xxhash

from tophash_cache import config


@pytest.fixture(autouse=True)
def clean_config(monkeypatch):
    """Each test starts from the defaults, for every environment and after every other test."""
    for layer in ("_file", "_environment", "_configured"):
        monkeypatch.setattr(config, layer, {})


@pytest.fixture(scope="session")
def digest():
    """The digest of the `xxhash` package."""

    def expected(key):
        return xxhash.xxh64_intdigest(key.encode() if isinstance(key, str) else bytes(key))

    return expected
