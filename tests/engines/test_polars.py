"""Enrichers in map_batches of polars, of lazy frames and of expressions."""

import pytest

from engine_support import ORDERS, orders_with_prices, orders_with_squares_and_names, page, with_squares_and_names

pl = pytest.importorskip("polars", minversion="1.20")


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_lazy_frame_gets_the_columns_that_a_join_gives(engine):
    shown = page()
    orders = pl.from_pandas(ORDERS).lazy()
    expected = pl.from_pandas(orders_with_prices(), nan_to_null=True)
    made = shown.in_polars(orders)
    assert made.collect_schema() == expected.schema
    assert made.collect(engine=engine).equals(expected)
    assert made.select("price").collect(engine=engine).equals(expected.select("price"))
    cheap = pl.col("price") < 3
    assert made.filter(cheap).collect(engine=engine).equals(expected.filter(cheap))
    made = shown.in_an_expression(orders)
    assert made.collect_schema() == expected.schema
    assert made.collect(engine=engine).equals(expected)


def test_batches_of_a_stream_get_the_types_of_the_schema(tmp_path):
    enrich = with_squares_and_names(tmp_path)
    orders = pl.from_pandas(ORDERS).lazy()
    schema = enrich(pl.DataFrame(schema=orders.collect_schema())).schema
    made = orders.map_batches(enrich, schema=schema, streamable=True).collect(engine="streaming")
    assert made.schema == schema
    assert made.equals(pl.from_pandas(orders_with_squares_and_names()))


def test_an_expression_gives_texts(tmp_path):
    frame = pl.DataFrame({"n": [2, 3, None]})
    name = with_squares_and_names(tmp_path, out=["name"]).column
    made = frame.with_columns(name=pl.col("n").map_batches(name, return_dtype=pl.String))
    assert made["name"].to_list() == ["the name of 2", None, None]
