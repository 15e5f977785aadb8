"""How maps and sets are pickled and copied.

Keys and values are pickled as two arrays, which protocol 5 can pass out of band. Texts are pickled as one array of
bytes and one of lengths. Copies use the same functions, without packing.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt

IN_BAND = 512  # bytes up to which a column is bytes in the pickle: an array of its own takes as many, and more time


def portable(spec: Any) -> Any:
    """A key or value type as a pickle has it. A dtype of one number or time is its text, such as ``<i8``: that is
    shorter; and NumPy 2.4 pickles units of times in a way that earlier ones cannot read."""
    return spec.str if isinstance(spec, np.dtype) and spec.kind in "biufmM" and spec.metadata is None else spec


class Packed:
    """The keys or the values of a map without objects, in a form that the batch calls accept."""

    __slots__ = ("items",)

    def __init__(self, items: npt.NDArray[Any] | list[Any]) -> None:
        self.items = items

    def __deepcopy__(self, memo: dict[int, Any]) -> Packed:
        return self  # it is a copy already

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        array = cast("npt.NDArray[Any]", self.items)  # only unpickling makes lists
        if array.dtype.kind != "O":
            # Viewed as bytes, since NumPy does not pass arrays of times out of band. It cannot view items of size 0.
            data: Any = array.reshape(-1).view(np.uint8) if array.dtype.itemsize else np.empty(0, np.uint8)
            if data.nbytes <= IN_BAND:
                data = data.tobytes()
            return _array_column, (portable(array.dtype), array.shape, data)
        texts = array.tolist()
        sizes = np.fromiter(map(len, texts), np.uint32, len(texts))
        as_str = bool(texts) and isinstance(texts[0], str)
        whole = "".join(texts).encode("utf-8", "surrogatepass") if as_str else b"".join(texts)
        return _text_column, (as_str, sizes, np.frombuffer(whole, np.uint8))


def _array_column(kind: np.dtype[Any] | str, shape: tuple[int, ...], data: npt.NDArray[np.uint8] | bytes) -> Packed:
    dtype: np.dtype[Any] = np.dtype(kind)
    # NumPy would take the bytes for pointers. It takes -1 for as many items as there are, by a division by their size.
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"the pickle is damaged, an array of dtype {dtype} and shape {shape}: write it again")
    return Packed(np.ndarray(shape, dtype, data))


def _text_column(as_str: bool, sizes: npt.NDArray[np.uint32], data: npt.NDArray[np.uint8]) -> Packed:
    whole = str(data.data, "utf-8", "surrogatepass") if as_str else data.tobytes()
    ends = np.cumsum(sizes, dtype=np.int64).tolist()
    if len(whole) != (ends[-1] if ends else 0):
        wanted = ends[-1] if ends else 0
        raise ValueError(f"the pickle is damaged, {len(whole)} characters for texts of {wanted}: write it again")
    return Packed([whole[start:end] for start, end in zip([0, *ends], ends, strict=False)])


def begun(cls: Any, key: Any, value: Any, settings: dict[str, Any], capacity: int, next_code: int = 0) -> Any:
    """An empty map with room for ``capacity`` keys. Avoids ``__init__``, since that of a subclass may differ.

    ``next_code`` is that of the original map, so that the copy does not give the code of a deleted key again.
    """
    m = cls.__new__(cls)
    m._begin(key, value, **settings)
    m._make_room(capacity)
    m._next_code = next_code
    return m


def restored_map(
    cls: Any, key: Any, value: Any, settings: dict[str, Any], next_code: int, keys: Packed, values: Packed
) -> Any:
    """A map of the items of two columns."""
    m = begun(cls, key, value, settings, len(keys.items), next_code)
    m.set_many(keys.items, values.items)
    return m


def restored_set(cls: Any, key: Any, settings: dict[str, Any], keys: Any) -> Any:
    """A set of the keys of a column, or of a list of objects."""
    s = cls.__new__(cls)
    s._begin(key, **settings)
    s.add_many(keys.items if isinstance(keys, Packed) else keys)
    return s
