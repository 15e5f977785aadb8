"""The ways to give facts their values, over Dask: ``dd.merge``, and look-ups in a dataset, by map and by shuffle."""

import importlib
from typing import Any

import dask.dataframe as dd
import pandas as pd

from cluster import data
from cluster.data import MISSING, Answer, Event, Shape

MAP, SHUFFLE = "map", "shuffle"
EMPTY = data.checksum(pd.DataFrame({"key": [0], "amount": [0], "value": [0]}, dtype="int64")).iloc[:0]


def facts(shape: Shape, event: Event | None = None) -> Any:
    """The facts as a Dask frame, whose parts workers make."""
    meta = data.facts_part(0, Shape(shape.parts, 1, 0.0, shape.parts)).iloc[:0]
    return dd.from_map(data.eventful_facts, range(shape.parts), shape=shape, event=event, meta=meta)


def rows(shape: Shape, event: Event | None = None) -> Any:
    """The rows of the dimension as a Dask frame, whose parts workers make."""
    meta = data.dimension(0, 1).iloc[:0]
    return dd.from_map(data.eventful_rows, range(shape.parts), shape=shape, event=event, meta=meta)


def warm(client: Any) -> None:
    """Let all workers import what they need, so that no measurement has it in its time or memory."""
    small = Shape(data.PARTS, data.PARTS)
    answer(facts(small).merge(rows(small), on="key", how="left"))
    client.run(importlib.import_module, "pyhmap.dask")


def looked_up(frame: Any, dataset: str, how: str) -> Any:
    """The frame with the values of a dataset."""
    from pyhmap import dask

    return dask.lookup(frame, dataset, on="key", out="value", default=MISSING, how=how)


def build(frame: Any, folder: str, *, partitions: int) -> None:
    """Write a dataset of the keys and values of a frame."""
    from pyhmap import dask

    dask.build(frame, key="key", value="value", path=folder, partitions=partitions)


def checksums(frame: Any) -> Any:
    """A Dask frame with the answer of each part."""
    return frame.map_partitions(data.checksum, meta=EMPTY)


def answer(frame: Any) -> Answer:
    """The answer of a Dask frame."""
    return data.answer(checksums(frame).compute())
