"""What the targets share: the bytes of the fuzzer read as numbers, keys made of them, and the start of a target.

The Python code of the packages is instrumented here, before anything else imports them; the extensions were by clang.
The code of check() is not: it would take as long again.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import atheris
import numpy as np

from kinds import KINDS, Kind

PACKAGES = ["_hmap_bytes", "pyhmap", "tophash_cache"]
with atheris.instrument_imports(
    include=PACKAGES, exclude=["pyhmap._inspect.check", "pyhmap._inspect.hashes", "pyhmap._inspect.state"]
):
    import tophash_cache  # noqa: F401
    from pyhmap import (  # noqa: F401
        CorruptMapError,
        FileFormatError,
        FrozenIndex,
        FrozenMap,
        FrozenSet,
        HIndex,
        HMap,
        HSet,
    )

T = TypeVar("T")
NAN = float("nan")


class Source:
    """The bytes that the fuzzer chose, read from the front. Zeros follow the last one."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, n: int) -> bytes:
        self.at += n
        return self.data[self.at - n : self.at].ljust(n, b"\0")

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.byte() % len(choices)]


class Keys(NamedTuple):
    """A key type, its numbered keys made already, as a list and as an array, and the keys at its borders."""

    kind: Kind
    numbered: list[Any]
    array: np.ndarray
    edge: list[Any]

    def any(self, source: Source) -> Any:
        """A numbered key, one at a border, or one of the fuzzer's own bytes."""
        choice = source.byte()
        if choice < 160:
            return self.numbered[choice % len(self.numbered)]
        if choice < 208 or (own := OWN.get(self.kind.spec)) is None:
            return self.edge[choice % len(self.edge)]
        return own(source)

    def some(self, source: Source, fewer_than: int) -> list[Any]:
        """A few keys of any kind."""
        return [self.any(source) for _ in range(source.byte() % fewer_than)]

    def run(self, source: Source) -> tuple[Any, list[Any]]:
        """Up to 63 numbered keys, as an array or as a list; and the list."""
        first, n = source.byte(), source.byte()
        keys = self.numbered[first : first + n // 4]
        return (keys if n & 1 else self.array[first : first + n // 4]), keys


def keys_of(name: str) -> Keys:
    kind = KINDS[name]
    numbered = [kind.make(i) for i in range(min(kind.count, 320))]
    # Without the long texts: check() hashes all texts of a map in as many steps as the longest one needs.
    edge = [key for key in kind.edge if not isinstance(key, str | bytes) or len(key) < 40]
    return Keys(kind, numbered, kind.array(numbered), edge)


def one_nan(key: Any) -> Any:
    """A dict finds NaN by identity only, so the model has one NaN object."""
    return NAN if key != key else key


def own_number(dtype: str) -> Callable[[Source], Any]:
    size = np.dtype(dtype).itemsize
    return lambda source: one_nan(np.frombuffer(source.take(size), dtype)[0].item())


# Keys of the fuzzer's own bytes, by the type of the keys. Every two bytes are a str of one character, surrogates too.
OWN: dict[Any, Callable[[Source], Any]] = {
    **{f"{kind}{size}": own_number(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)},
    **{f"f{size}": own_number(f"f{size}") for size in (2, 4, 8)},
    bytes: lambda source: source.take(source.byte() % 40),
    str: lambda source: "".join(map(chr, np.frombuffer(source.take(source.byte() % 40 // 2 * 2), "u2"))),
    "S5": lambda source: source.take(5).rstrip(b"\0"),
    "V4": lambda source: source.take(4),
    object: lambda source: (source.byte(), source.take(2)),
}


def restored_well(restore: Callable[[], Any]) -> None:
    """What is restored from anything is an error, or a map or set that can be used.

    It passes check(), unless it is frozen: then it may be restored with other keys and values.
    """
    try:
        restored = restore()
    except AssertionError:  # nobody raises it on purpose
        raise
    except Exception as error:
        # NumPy raises a SystemError where an item of dtype U is no text; nobody else does so on purpose.
        if isinstance(error, SystemError) and "PyUnicode_New" not in str(error):
            raise
        return
    if isinstance(restored, FrozenMap | FrozenSet):
        read_all(restored, list(restored) if restored.key_dtype in ("i8", "u8") else [])
    elif isinstance(restored, HMap | HSet):
        restored.check()
        assert len(list(restored)) == len(restored)
        restored.copy().check()
        if isinstance(restored, HMap):
            restored.values_array()
        restored.clear()
        restored.check()


def read_all(f: FrozenMap | FrozenSet | FrozenIndex, asked: list[Any]) -> None:
    """Read a frozen map, set or index of any content in all ways. Texts may be too long for their type, or no texts."""
    reads: list[Callable[[], Any]] = [f.check, lambda: list(f), lambda: repr(f), lambda: hash(f), lambda: f == f.copy()]
    reads += [lambda: [key in f for key in asked]]
    if not isinstance(f, FrozenIndex):
        reads += [lambda: f.contains_many(asked), lambda: f.positions(asked)]
    if isinstance(f, FrozenIndex):
        codes = range(len(f))
        reads += [lambda: f.encode(asked), lambda: [f.get(key) for key in asked], lambda: HIndex(f)]
        reads += [lambda: f.decode(codes), lambda: f.decode(codes, to="list"), lambda: f.decode([len(f)]), f.labels]
        reads += [lambda: f.labels(to="string" if f.key_dtype is str else "arrow"), lambda: [f.key(c) for c in codes]]
    elif isinstance(f, FrozenMap):
        reads += [f.to_arrays, lambda: list(f.items()), lambda: f.lookup_many(asked), lambda: [f.get(k) for k in asked]]
    else:
        reads.append(f.to_array)
    for read in reads:
        try:
            read()
        except (ValueError, TypeError, IndexError, OverflowError, CorruptMapError):  # also of keys of another type
            pass
        except SystemError as error:
            if "PyUnicode_New" not in str(error):
                raise


def start(target: Callable[[Source], None]) -> None:
    gc.collect()
    gc.freeze()  # so that the collector, which runs often, looks only at what an input has made
    # A merge starts the program again, through a shell, by its first argument.
    program = f"{sys.executable} {sys.argv[0]}"
    atheris.Setup([program, *sys.argv[1:]], lambda data: target(Source(data)))
    atheris.Fuzz()
