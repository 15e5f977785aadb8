"""Types of the compiled module `_hashing`; its docstrings are in the `.pyx`."""

from typing import TypeAlias

Key: TypeAlias = str | bytes | bytearray | memoryview

def xxh64(key: Key, seed: int = 0) -> int: ...
