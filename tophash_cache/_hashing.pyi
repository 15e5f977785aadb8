"""Types of the compiled module `_hashing`; the docstrings are in `_hashing.pyx`."""

from typing import TypeAlias

_Key: TypeAlias = str | bytes | bytearray | memoryview

def xxh64(key: _Key, seed: int = 0) -> int: ...
