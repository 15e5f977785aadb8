"""What the tests of engines share: the functions that docs/enricher.md shows, two tables, and the right answers."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from pyhmap import HMap
from pyhmap.enricher import Enricher

PAGE = Path(__file__).parent.parent / "docs" / "enricher.md"
ROWS = 1000

PRICES = {"tea": 2.5, "cake": 4.0}  # of the page
ITEMS = [*PRICES, "ham", "an item that nobody knows", None]
ORDERS = pd.DataFrame(
    {"item": pd.Series([ITEMS[i % 7 % len(ITEMS)] for i in range(ROWS)], dtype="str"), "n": np.arange(ROWS)}
)
NUMBERS = {n: (n * n, f"the name of {n}") for n in range(0, ROWS // 2, 2)}


def page() -> SimpleNamespace:
    """The names that the page makes, such as its functions for each engine."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    return SimpleNamespace(**names)


def orders_with_prices() -> pd.DataFrame:
    """The orders with the prices of their items, as pandas joins them."""
    prices = pd.DataFrame({"item": pd.Series(list(PRICES), dtype="str"), "price": list(PRICES.values())})
    return ORDERS.merge(prices, how="left", on="item")


def with_squares_and_names(folder: Path, **options: Any) -> Enricher:
    """Gives some numbers of orders a square, which is an int, and a name."""
    path = folder / "numbers.pyhmap"
    HMap(np.int64, [("square", "i8"), ("name", "U20")], NUMBERS).save(path)
    return Enricher(path, on="n", **options)


def orders_with_squares_and_names() -> pd.DataFrame:
    """The orders with these, as pandas joins them."""
    squares, names = zip(*NUMBERS.values(), strict=True)
    columns = {"square": pd.array(squares, "Int64"), "name": pd.Series(names, dtype="str")}
    return ORDERS.merge(pd.DataFrame({"n": list(NUMBERS)} | columns), how="left", on="n")


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame that an engine has made, or the right answer: in the order of the orders, and of types that all have."""
    found = frame.sort_values("n", ignore_index=True)
    types = {name: "str" if name in ("item", "name") else "Float64" for name in found}
    return pd.DataFrame({name: found[name].astype(dtype) for name, dtype in types.items()})
