"""Enrichers in map_partitions of Dask, in threads and in processes."""

import pandas as pd
import pytest

from engine_support import ORDERS, orders_with_prices, orders_with_squares_and_names, page, with_squares_and_names
from pyhmap.enricher import Enricher

dask = pytest.importorskip("dask")
dataframe = pytest.importorskip("dask.dataframe")


@pytest.fixture(autouse=True)
def _types_stay():
    """Without this, Dask makes its own strings of the column of items."""
    with dask.config.set({"dataframe.convert-string": False}):
        yield


@pytest.mark.parametrize("scheduler", ["threads", pytest.param("processes", marks=pytest.mark.slow)])
def test_partitions_get_the_columns_that_a_join_gives(tmp_path, scheduler):
    orders = dataframe.from_pandas(ORDERS, npartitions=7)
    made = page().in_dask(orders)
    pd.testing.assert_frame_equal(made.compute(scheduler=scheduler), orders_with_prices())
    made = orders.map_partitions(with_squares_and_names(tmp_path))
    pd.testing.assert_frame_equal(made.compute(scheduler=scheduler), orders_with_squares_and_names())


@pytest.mark.parametrize("options", [{}, {"default": {"square": 0, "name": ""}}, {"out": {"square": "n2"}}])
def test_each_partition_has_the_types_of_meta(tmp_path, options):
    enrich = with_squares_and_names(tmp_path, **options)
    orders = dataframe.from_pandas(ORDERS, npartitions=7)  # some find no key, some all
    for made in (orders.map_partitions(enrich), orders.map_partitions(enrich, meta=enrich(ORDERS[:0]))):
        for partition in made.partitions:
            assert partition.compute(scheduler="sync").dtypes.to_dict() == made.dtypes.to_dict()


def test_equal_enrichers_are_one_task(tmp_path):
    orders = dataframe.from_pandas(ORDERS, npartitions=2)
    enrich = with_squares_and_names(tmp_path)
    same, other = Enricher(enrich.path, on="n"), Enricher(enrich.path, on="n", out=["name"])
    keys = [set(orders.map_partitions(each).dask.keys()) for each in (enrich, same, other)]
    assert keys[0] == keys[1]
    assert keys[0] != keys[2]
    with_squares_and_names(tmp_path)  # another content
    assert set(orders.map_partitions(Enricher(enrich.path, on="n")).dask.keys()) != keys[0]


def test_columns_that_are_not_used_need_not_be_read(tmp_path):
    made = page().in_dask(dataframe.from_pandas(ORDERS, npartitions=3))
    assert made["price"].sum().compute(scheduler="sync") == orders_with_prices()["price"].sum()
    assert len(made[made["price"] > 3].compute(scheduler="sync")) == (orders_with_prices()["price"] > 3).sum()
