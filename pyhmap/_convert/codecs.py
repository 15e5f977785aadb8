"""The codec of each key and value type, and whether keys of a type can have a hash and its cache."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pyhmap._convert.codec import Array, Codec
from pyhmap._convert.columns import is_many_objects, objects_of
from pyhmap._convert.dtypes import type_of
from pyhmap._convert.numbers import FloatCodec, IntCodec, NumberCodec
from pyhmap._convert.records import RecordCodec, SubarrayCodec
from pyhmap._convert.texts import FixedCodec, TextCodec
from pyhmap._convert.times import TimeCodec, unit_of

# The types that name a dtype by themselves, so that no other library has to be asked.
NUMBERS: dict[type, np.dtype[Any]] = {np.dtype(code).type: np.dtype(code) for code in "?bBhHiIlLqQefd"}
NUMBERS |= {each: np.dtype(each) for each in (bool, int, float)}


# The codecs of simple types, by name: small maps are made often. There are as many names of times as there are units.
MOST_SHARED = 256
_shared: dict[tuple[Any, ...], Codec] = {}


def key_codec(spec: Any, holder: str = "map") -> Codec:
    """The codec of a key type: ``str``, ``bytes``, ``object``, or anything that ``np.dtype`` accepts. ``holder`` is the
    name for what holds the keys, in messages.

    Raises ``TypeError`` if keys of this type are not supported.

    >>> key_codec(">i8").dtype, key_codec(str).form, key_codec([("x", "i4"), ("y", "i4")]).form
    (dtype('int64'), 'text', 'text')
    """
    return _codec(spec, "key", holder)


def value_codec(spec: Any) -> Codec:
    """The codec of a value type: ``str``, ``bytes``, ``object``, or any dtype of fixed size.

    Raises ``TypeError`` if values of this type are not supported.

    >>> value_codec("c16").form, value_codec(("f4", 3)).size
    ('raw', 12)
    """
    return _codec(spec, "value")


def _codec(spec: Any, what: str, holder: str = "map") -> Codec:
    if isinstance(spec, Codec):
        return spec
    dtype = NUMBERS[spec] if type(spec) is type and spec in NUMBERS else type_of(spec, what)
    name: tuple[Any, ...] = ()
    if isinstance(dtype, type):
        name = dtype, what, holder
    elif dtype.kind in "biufMm" and dtype.metadata is None and dtype.subdtype is None:
        name = dtype.str, dtype.char, what, holder  # the type of C, too: int64 has two
    codec = _shared.get(name)
    if codec is None:
        codec = _new_codec(dtype, what)
        codec.holder = holder
        if name:
            if len(_shared) >= MOST_SHARED:
                _shared.clear()
            _shared[name] = codec
    return codec


def _new_codec(dtype: Any, what: str) -> Codec:
    if dtype is str or dtype is bytes:
        return TextCodec(dtype, what)
    if dtype is object:
        return ObjectCodec(what)
    if dtype.hasobject:
        raise TypeError(f"{what}s of dtype {dtype} have object fields: use object for the whole {what}")
    for path, field in _fields_within(dtype):
        if field.kind in "SU" and field.itemsize == 0:
            raise TypeError(f"field {path!r} of the {what} dtype has no length: give one, such as {field.kind}16")
    if dtype.kind in "Mm" and unit_of(dtype) == "generic":
        raise TypeError(f"the {what} dtype {dtype} has no unit: give one that has, such as {dtype.name}[s]")
    if dtype.kind in "bui" and dtype.subdtype is None:
        return IntCodec(dtype, what)
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return FloatCodec(dtype, what)
    if dtype.kind in "Mm":
        return TimeCodec(dtype, what)
    if dtype.kind in "SUV" and dtype.names is None and dtype.subdtype is None and (dtype.itemsize or what == "value"):
        return FixedCodec(dtype, what)
    if dtype.names:
        return RecordCodec(dtype, what, [(name, _codec_of_field(field, what)) for name, field in _fields_of(dtype)])
    if what == "value" and dtype.kind in "fc":
        return NumberCodec(dtype, what)
    if what == "value" and dtype.subdtype is not None:
        return _codec_of_field(dtype, what)
    accepted = "ints, floats, bool, times, S, U, V, structured dtypes, str, bytes or object"
    raise TypeError(f"{what}s of dtype {dtype} are not supported: use {accepted}")


def _codec_of_field(dtype: np.dtype[Any], what: str) -> Codec:
    """The codec of a field, which can be an array in a key too."""
    if dtype.subdtype is not None:
        return SubarrayCodec(dtype, what, _codec(dtype.base, what))
    return _codec(dtype, what)


def _fields_of(dtype: np.dtype[Any]) -> list[tuple[str, np.dtype[Any]]]:
    return [(name, dtype[name]) for name in dtype.names or ()]


def _fields_within(dtype: np.dtype[Any]) -> Iterable[tuple[str, np.dtype[Any]]]:
    """The names and dtypes of all fields of a structured dtype, also of those inside of fields."""
    for name, field in _fields_of(dtype):
        yield name, field
        for inner, inside in _fields_within(field.base):
            yield f"{name}.{inner}", inside


class ObjectCodec(Codec):
    """Any Python object. A key must be hashable: a batch call hashes all keys before it does anything else."""

    form = "object"

    def __init__(self, what: str) -> None:
        super().__init__(object, what)

    @property
    def size(self) -> int:
        return 8

    def check(self, item: object) -> None:
        if self.is_key:
            hash(item)

    def zero(self) -> None:
        return None

    def is_scalar(self, items: Any) -> bool:
        return not is_many_objects(items)

    def many(self, items: Any) -> tuple[Array, Array | None]:
        return objects_of(items, self)

    def with_nulls(self, array: Array, valid: Array) -> Array:
        return array  # objects_of() has put None there


# ---- the hash of the keys --------------------------------------------------------------------------------------------

# The name of the capsule that holds the C function of a cache, as _core.pxd declares it.
DIGEST_CAPSULE = b"tophash_cache.digest"


def check_hash(codec: Any, hash: object, hash_cache: Any) -> object:
    """Check that keys of this codec can have this hash, and a cache of it. Returns the capsule of the cache, or None.

    Raises ``ValueError`` if they cannot, and ``TypeError`` if ``hash_cache`` is not a cache.

    >>> check_hash(key_codec(str), "xxh64", None)
    >>> check_hash(key_codec("i8"), None, object())
    Traceback (most recent call last):
    ...
    ValueError: hash_cache was given with hash=None and keys of type int64: it needs hash='xxh64' and str or bytes
    """
    if hash is not None and (hash != "xxh64" or codec.form != "text"):
        raise ValueError(f"hash={hash!r} with keys of type {codec.name}: give None, or hash='xxh64' for text keys")
    if hash_cache is None:
        return None
    if hash is None or codec.dtype not in (str, bytes):
        given = f"hash_cache was given with hash={hash!r} and keys of type {codec.name}"
        raise ValueError(f"{given}: it needs hash='xxh64' and str or bytes")
    try:
        return hash_cache._digest_capsule()
    except AttributeError:
        raise TypeError(f"hash_cache must be a tophash_cache.TopHashCache, not {type(hash_cache).__name__}") from None
