"""Enrichers in mapInArrow of Spark, which starts Java and processes of Python, once, and ends them."""

import os
import shutil
import sys

import pandas as pd
import psutil
import pytest

from engine_support import (
    ORDERS,
    comparable,
    orders_with_prices,
    orders_with_squares_and_names,
    page,
    with_squares_and_names,
)

sql = pytest.importorskip("pyspark.sql")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark")
    before = set(psutil.Process().children(recursive=True))
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("PYSPARK_PYTHON", sys.executable)
        changed.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        changed.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        settings = {
            "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
            "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(folder), "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.sql.shuffle.partitions": "2", "spark.driver.memory": "512m",
        }  # fmt: skip
        builder = sql.SparkSession.builder.master("local[2]").appName("enricher")
        session = builder.config(map=settings).getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        java = session.sparkContext._gateway.proc
        yield session
        started = set(psutil.Process().children(recursive=True)) - before
        session.stop()
        session.sparkContext._gateway.shutdown()
        java.stdin.close()  # Java ends with the one that started it
        _, left = psutil.wait_procs(started, timeout=30)
        assert not left


@pytest.fixture
def orders(spark):
    rows = [(None if pd.isna(item) else item, n) for item, n in ORDERS.itertuples(index=False)]
    return spark.createDataFrame(rows, "item string, n long").repartition(3)


def test_the_page_shows_how(orders):
    pd.testing.assert_frame_equal(
        comparable(page().in_spark(orders).toArrow().to_pandas()), comparable(orders_with_prices())
    )


def test_batches_get_the_columns_that_a_join_gives(orders, tmp_path):
    enrich = with_squares_and_names(tmp_path)
    made = orders.mapInArrow(lambda batches: map(enrich, batches), "item string, n long, square long, name string")
    pd.testing.assert_frame_equal(comparable(made.toArrow().to_pandas()), comparable(orders_with_squares_and_names()))
