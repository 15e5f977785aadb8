"""Enrichers in map_batches of Ray Data. Ray runs in processes of its own, which are started once and ended."""

import logging
import tempfile

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

pytest.importorskip("ray.data")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`use_.*` is deprecated:DeprecationWarning"),  # Ray itself sets these
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def ray():
    # A short name: those of Ray's sockets in it have a limit.
    with pytest.MonkeyPatch.context() as changed, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        changed.setenv("RAY_USAGE_STATS_ENABLED", "0")
        changed.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        ray = pytest.importorskip("ray")
        before = set(psutil.Process().children(recursive=True))
        ray.init(
            address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
            object_store_memory=100 << 20, _temp_dir=folder,
        )  # fmt: skip
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield ray
        started = set(psutil.Process().children(recursive=True)) - before
        ray.shutdown()
        _, left = psutil.wait_procs(started, timeout=30)
        assert not left


@pytest.mark.parametrize("format", ["pyarrow", "pandas"])
def test_batches_get_the_columns_that_a_join_gives(ray, tmp_path, format):
    orders = ray.data.from_pandas(ORDERS).repartition(3)
    made = orders.map_batches(with_squares_and_names(tmp_path), batch_format=format, batch_size=100)
    pd.testing.assert_frame_equal(comparable(made.to_pandas()), comparable(orders_with_squares_and_names()))


def test_the_page_shows_how(ray):
    made = page().in_ray(ray.data.from_pandas(ORDERS).repartition(3))
    pd.testing.assert_frame_equal(comparable(made.to_pandas()), comparable(orders_with_prices()))


def test_batches_of_arrays_get_the_same(ray, tmp_path):
    numbers = ray.data.from_numpy(ORDERS["n"].to_numpy()).rename_columns({"data": "n"}).repartition(3)
    enrich = with_squares_and_names(tmp_path, default={"square": -1})
    made = numbers.map_batches(enrich, batch_format="numpy", batch_size=100)
    expected = orders_with_squares_and_names()[["n", "square", "name"]].fillna({"square": -1})
    pd.testing.assert_frame_equal(comparable(made.to_pandas()), comparable(expected))
