"""The keys of a batch that several maps are asked for: read from their container once.

    container ──> Batch ──> whole        what a batch call of a map takes
                       └──> at(rows)     some of the keys, in the same order

Texts stay in their column, so that no Python object is made of each, until only some of them are wanted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pyhmap._convert.codec import Codec
from pyhmap._convert.columns import Column, object_array
from pyhmap._convert.text_batch import text_batch
from pyhmap._convert.texts import TextCodec

Rows = npt.NDArray[np.intp]


class Batch:
    """``n`` keys of one type. Raises what a batch call of a map does for keys that it cannot hold."""

    def __init__(self, keys: Any, codec: Codec) -> None:
        self._codec = codec
        self._some: npt.NDArray[Any] | None = None  # the keys as an array, when it is needed
        self.whole: Any
        if isinstance(codec, TextCodec):
            column = codec.column(keys)
            self._valid = text_batch(column, codec).valid
            self.whole, self.n = column, len(column.values)
        else:
            self._some, self._valid = codec.many(keys)
            self.whole = self._some if self._valid is None else Column(self._some, self._valid)
            self.n = len(self._some)

    def refuse_nulls(self) -> Batch:
        """Raise ``ValueError`` for a null, which cannot be stored."""
        if self._valid is not None and not self._valid.all():
            raise ValueError(f"keys[{self._valid.argmin()}] is null: fill or drop nulls")
        return self

    def at(self, rows: Rows) -> Any:
        """The keys of these rows, which increase. There are no nulls."""
        return self.whole if len(rows) == self.n else self.taken(rows)

    def taken(self, rows: Rows) -> Any:
        """The keys of these rows, in any order."""
        if self._some is None:
            values = self.whole.values
            if isinstance(values, list | tuple):
                self._some = object_array(values)
            elif isinstance(values, np.ndarray):
                self._some = values
            else:
                self._some = self._codec.many(self.whole)[0]
        return self._some[rows]
