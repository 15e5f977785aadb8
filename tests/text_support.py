"""Sample texts, and the bytes of a batch of them."""

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from pyhmap._convert.codec import Codec
from pyhmap._convert.codecs import key_codec
from pyhmap._convert.text_batch import _as_list, text_batch

STR, BYTES = key_codec(str), key_codec(bytes)

# 1, 2, 3 and 4 bytes per character, NULs inside and at the end, lone surrogates, and both sides of the 12 bytes that a
# Text holds in place, of the 256 that are copied, and of the first block of scratch.
# fmt: off
ASCII = ["", "a", "user:000000000042", "a\0b", "end\0", "\0", "\0\0"]
ASCII += ["x" * n for n in (11, 12, 13, 255, 256, 257, 10**6)]
WIDE = [
    "é", "ÿ" * 6, "ÿ" * 7, "Ωmega", "€" * 4, "€" * 5, "日本語のキー", "😀", "😀" * 3, "a😀é€", "ascii then 😀",
    "λ" * 40_000,
]
# fmt: on
SURROGATES = ["\ud800", "\udfff", "a\udc80b", "\ud83d\ude00", "x" * 12 + "\ud800"]
TEXTS = ASCII + WIDE + SURROGATES
ENCODABLE = [item for item in TEXTS if item not in SURROGATES]  # StringDType and Arrow hold UTF-8
anything = st.text(st.characters(exclude_categories=()))  # surrogates too


def utf8(items: Iterable[str]) -> list[bytes]:
    """The bytes that a batch of these texts must hold."""
    return [item.encode("utf-8", "surrogatepass") for item in items]


def texts(items: Any, codec: Codec = STR) -> list[bytes | None]:
    """The bytes that it holds."""
    return _as_list(text_batch(items, codec))
