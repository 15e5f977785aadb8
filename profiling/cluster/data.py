"""The tables that are joined, and the checksum of an answer.

Owns the input: ``facts`` with keys of which one in ten has no row in the ``dimension``, made part by part from a seed,
so that a worker can make a part again. An answer is told from another by a checksum that the order of rows and the way
they are divided do not change.
"""

import os
import signal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

MISSING = -1  # the value of a fact whose key has no row
HOT = 0  # the number of the row that most facts refer to, where there is a skew
PARTS = 16  # so that each of two workers has more than the five at which it may be killed
MULTIPLIERS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)  # odd, so no two numbers give one key

_parts_made = 0  # in this process


class Shape(NamedTuple):
    """What facts there are."""

    facts: int
    rows: int  # of the dimension
    skew: float = 0.0  # the share of the facts whose key is one and the same
    parts: int = PARTS


class Answer(NamedTuple):
    """What is known of an enriched table."""

    facts: int
    found: int
    checksum: int


def keys_of(numbers: Any) -> Any:
    """The key of each row of the dimension, from its number: distinct, in no visible order.

    >>> len(set(keys_of(np.arange(1000)).tolist()))
    1000
    """
    return (numbers.astype(np.uint64) * np.uint64(MULTIPLIERS[0])).astype(np.int64)


def dimension(start: int, stop: int) -> pd.DataFrame:
    """Some rows of the dimension."""
    numbers = np.arange(start, stop)
    return pd.DataFrame({"key": keys_of(numbers), "value": numbers * 3 + 1})


def dimension_part(part: int, parts: int, rows: int) -> pd.DataFrame:
    """One of so many parts of the dimension."""
    return dimension(rows * part // parts, rows * (part + 1) // parts)


def facts_part(part: int, shape: Shape) -> pd.DataFrame:
    """One part of the facts."""
    n = shape.facts * (part + 1) // shape.parts - shape.facts * part // shape.parts
    generator = np.random.default_rng([shape.facts, shape.rows, part])
    numbers = generator.integers(0, -(-shape.rows * 10 // 9), n)
    if shape.skew:
        numbers[generator.random(n) < shape.skew] = HOT
    return pd.DataFrame({"key": keys_of(numbers), "amount": generator.integers(0, 1000, n)})


def facts(shape: Shape) -> pd.DataFrame:
    """All facts."""
    return pd.concat([facts_part(part, shape) for part in range(shape.parts)], ignore_index=True)


class Event(NamedTuple):
    """What happens when a worker makes a part: the first one that makes its k-th is killed, or touches a file.

    The file is made in either case, and nothing happens once it is there.
    """

    kth: int
    file: str
    kills: bool

    def happen(self) -> None:
        """Called for each part that this process makes."""
        global _parts_made
        _parts_made += 1
        if _parts_made == self.kth:
            try:
                os.close(os.open(self.file, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            if self.kills:
                os.kill(os.getpid(), signal.SIGKILL)


def eventful_facts(part: int, shape: Shape, event: Event | None = None) -> pd.DataFrame:
    """One part of the facts."""
    if event is not None:
        event.happen()
    return facts_part(part, shape)


def eventful_rows(part: int, shape: Shape, event: Event | None = None) -> pd.DataFrame:
    """One part of the dimension. Where there is a skew, most rows have one key, and its value."""
    if event is not None:
        event.happen()
    rows = dimension_part(part, shape.parts, shape.rows)
    if shape.skew:
        n = int(len(rows) * shape.skew)
        rows = pd.concat([pd.concat([dimension(HOT, HOT + 1)] * n), rows], ignore_index=True)
    return rows


def checksum(frame: pd.DataFrame) -> pd.DataFrame:
    """The answer in an enriched part, as a frame of one row: a sum over hashes of the rows.

    >>> row = checksum(pd.DataFrame({"key": [5, 6], "amount": [1, 2], "value": [7, MISSING]}))
    >>> row[["facts", "found"]].values.tolist()
    [[2, 1]]
    """
    value = frame["value"].fillna(MISSING).to_numpy().astype(np.int64)
    columns = frame["key"].to_numpy(), frame["amount"].to_numpy(), value
    mixed = np.zeros(len(frame), np.uint64)
    for column, multiplier in zip(columns, MULTIPLIERS, strict=True):
        mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(multiplier)
        mixed ^= mixed >> np.uint64(29)
    found = int((value != MISSING).sum())
    total = mixed.sum(dtype=np.uint64)
    return pd.DataFrame({"facts": [len(frame)], "found": [found], "checksum": np.array([total])})


def answer(rows: pd.DataFrame) -> Answer:
    """The answer of all parts, from those of each."""
    total = int(rows["checksum"].to_numpy().astype(np.uint64).sum(dtype=np.uint64))
    return Answer(int(rows["facts"].sum()), int(rows["found"].sum()), total)


def merged(shape: Shape) -> Answer:
    """What ``merge`` of pandas gives: what every other way must give, too."""
    return answer(checksum(facts(shape).merge(dimension(0, shape.rows), on="key", how="left")))
