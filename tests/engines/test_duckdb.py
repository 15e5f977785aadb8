"""Enrichers as functions of DuckDB that take Arrow columns."""

import pandas as pd
import pytest

from engine_support import ORDERS, orders_with_prices, orders_with_squares_and_names, page, with_squares_and_names

duckdb = pytest.importorskip("duckdb")


@pytest.fixture
def connection():
    with duckdb.connect() as made:
        made.register("orders", ORDERS)
        yield made


def test_a_query_gets_the_column_that_a_join_gives(connection):
    made = page().in_duckdb(connection).order("n").df()
    pd.testing.assert_frame_equal(made.astype({"item": "str"}), orders_with_prices())


def test_a_query_over_several_threads_gets_the_same(connection, tmp_path):
    connection.execute("CREATE TABLE many AS SELECT n FROM orders, range(1000)")
    name = with_squares_and_names(tmp_path, out=["name"]).column
    connection.create_function("name_of", name, ["BIGINT"], "VARCHAR", type="arrow", null_handling="special")
    found = connection.sql("SELECT count(DISTINCT name_of(n)), count(name_of(n)) / 1000 FROM many").fetchall()
    expected = orders_with_squares_and_names()["name"]
    assert found == [(expected.nunique(), expected.count())]


def test_the_result_of_a_query_is_a_table(connection, tmp_path):
    table = connection.sql("SELECT * FROM orders ORDER BY n").to_arrow_table()
    made = with_squares_and_names(tmp_path)(table).to_pandas()
    expected = orders_with_squares_and_names()
    assert made["name"].equals(expected["name"].astype(made["name"].dtype))
    assert made["square"].astype("Int64").equals(expected["square"])
    joined = duckdb.sql("SELECT sum(square), count(name) FROM made").fetchall()
    assert joined == [(expected["square"].sum(), expected["name"].count())]
