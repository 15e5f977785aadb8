"""The ways to keep ids beside a matrix: pyhmap's, and what people do with other means.

Owns what is compared. Each way writes the ids once, in the order of their codes, and opens what it wrote in each
process. A library is imported by the way that uses it, so that no process pays for another one.
"""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from pyhmap import HIndex

Array = np.ndarray


class Way(ABC):
    """A way to keep ids. One object is one map of one process."""

    title: ClassVar[str]
    suffix: ClassVar[str]  # of the file
    forked: ClassVar[bool] = False  # whether one process opens the file, and the others are forked from it

    @staticmethod
    @abstractmethod
    def write(index: HIndex, path: Path) -> None:
        """Save the ids of an index."""

    @abstractmethod
    def __init__(self, path: Path) -> None:
        """Open what was saved."""

    @abstractmethod
    def encode(self, ids: list[str]) -> Array:
        """The codes of ids that are there."""

    @abstractmethod
    def decode(self, codes: Array) -> list[str | None]:
        """The ids of codes; None for -1."""


class Codes(Way):
    """No ids at all: the service is asked for codes, and answers with them. What all the others take, too."""

    title, suffix = "no ids", ".codes"

    @staticmethod
    def write(index: HIndex, path: Path) -> None:
        path.touch()

    def __init__(self, path: Path) -> None:
        pass

    def encode(self, ids: list[int]) -> Array:
        return np.array(ids)

    def decode(self, codes: Array) -> list[int]:
        return codes.tolist()


class Index(Way):
    """A file of an HIndex: mapped, and shared by all processes."""

    title, suffix = "HIndex", ".pyhmap"

    @staticmethod
    def write(index: HIndex, path: Path) -> None:
        index.save(path)

    def __init__(self, path: Path) -> None:
        import pyhmap

        self.index = pyhmap.open(path)

    def encode(self, ids: list[str]) -> Array:
        return self.index.encode(ids, add=False)

    def decode(self, codes: Array) -> list[str | None]:
        return self.index.decode(codes, to="list", missing=None)


class Dict(Way):
    """A file of lines; each process makes a dict of it, and a list for the way back."""

    title, suffix = "dict", ".txt"

    @staticmethod
    def write(index: HIndex, path: Path) -> None:
        path.write_text("\n".join(index.labels(to="list")))

    def __init__(self, path: Path) -> None:
        self.ids = path.read_text().split("\n")
        self.codes = dict(zip(self.ids, range(len(self.ids)), strict=True))

    def encode(self, ids: list[str]) -> Array:
        return np.array([self.codes[each] for each in ids])

    def decode(self, codes: Array) -> list[str | None]:
        return [self.ids[code] if code >= 0 else None for code in codes.tolist()]


class PickledDict(Dict):
    """The dict itself in a file."""

    title, suffix = "dict, pickled", ".pickle"

    @staticmethod
    def write(index: HIndex, path: Path) -> None:
        with path.open("wb") as file:
            pickle.dump({each: code for code, each in enumerate(index.labels(to="list"))}, file, protocol=5)

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.codes = pickle.load(file)
        self.ids = list(self.codes)


class ForkedDict(PickledDict):
    """The same, read by one process; the others are forked from it, as servers do that load an application first."""

    title, forked = "dict, pickled, then forked", True


class Pandas(Way):
    """An Index of pandas, from a Feather file."""

    title, suffix = "pandas Index", ".feather"

    @staticmethod
    def write(index: HIndex, path: Path) -> None:
        import pandas as pd

        ids = pd.Series.from_arrow(index.labels(to="arrow")).astype("str")
        ids.to_frame("id").to_feather(path, compression="uncompressed")

    def __init__(self, path: Path) -> None:
        import pandas as pd

        self.index = pd.Index(pd.read_feather(path)["id"])

    def encode(self, ids: list[str]) -> Array:
        return self.index.get_indexer(ids)

    def decode(self, codes: Array) -> list[str | None]:
        return self.index.array.take(codes, allow_fill=True).to_numpy(object, na_value=None).tolist()


class PolarsJoin(Way):
    """A data frame of polars, from an Arrow file, and joined with each batch."""

    title, suffix = "polars join", ".arrow"

    @staticmethod
    def write(index: HIndex, path: Path) -> None:
        import polars as pl

        table = pl.DataFrame({"id": pl.Series(index.labels(to="arrow"))})
        table.with_row_index("code").write_ipc(path)

    def __init__(self, path: Path) -> None:
        import polars as pl

        self.pl = pl
        self.table = pl.read_ipc(path)

    def encode(self, ids: list[str]) -> Array:
        # An inner join hashes the smaller side; a left one would hash all ids for each batch.
        asked = self.pl.DataFrame({"id": ids})
        return asked.join(self.table, on="id", how="inner", maintain_order="left")["code"].to_numpy()

    def decode(self, codes: Array) -> list[str | None]:
        return self.table["id"].gather(self.pl.Series(codes).replace(-1, None)).to_list()


class PolarsCategorical(PolarsJoin):
    """A Categorical of polars: each process makes the categories of the ids."""

    title = "polars Categorical"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.type = self.pl.Categorical(self.pl.Categories(path.stem))
        # In one chunk: several are numbered at the same time, in any order. The categories live as long as this column.
        self.table = self.table.select("id").rechunk().cast(self.type)

    def encode(self, ids: list[str]) -> Array:
        return self.pl.Series(ids).cast(self.type).to_physical().to_numpy()

    def decode(self, codes: Array) -> list[str | None]:
        return self.table["id"].gather(self.pl.Series(codes).replace(-1, None)).to_list()


WAYS: dict[str, type[Way]] = {
    "none": Codes,
    "hindex": Index,
    "dict": Dict,
    "pickle": PickledDict,
    "fork": ForkedDict,
    "pandas": Pandas,
    "polars-join": PolarsJoin,
    "polars-categorical": PolarsCategorical,
}
