"""What a map must read from each container in tests/containers.py: its keys or values as a dict has them, or an error.

Does not import the map. NULL stands for a null, since its effect depends on the call.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from containers import ANY, Container, HasArrow, Items, samples
from held_exactly import key_of, value_of

NULL = object()  # stands for a null among the expected keys and values


class Refusal(NamedTuple):
    """The error of all calls of a cell."""

    error: type[Exception]
    match: str

    def __repr__(self) -> str:
        return f"{self.error.__name__} with {self.match!r}"


def is_null(container: Container, type_name: str, item: Any) -> bool:
    """Whether None among the items stands for a null: in maps of object, every item of a list is an object."""
    return item is None and container.null is not None and not (container.library == "Python" and type_name == "object")


def expected_items(container: Container, name: str, what: str, items: Items, objects: Items) -> Items | Refusal:
    """The items as the type has them, or the error that names the first one that it does not hold."""
    one_by_one, out = (key_of if what == "keys" else value_of), []
    if container.refused and name not in ("object", "record"):
        return Refusal(TypeError, container.refused)
    if container.refused and name == "record" and container.library != "tables":
        return Refusal(TypeError, f"id|{container.refused}|convert")
    for position, item in enumerate(items):
        if is_null(container, name, item) or container.kind == "null":
            out.append(NULL)
            continue
        try:
            out.append(one_by_one(name, objects[position] if name == "object" else item))
        except OverflowError:
            return Refusal(OverflowError, rf"{what}\[{position}\]")
        except TypeError:
            here = rf"{what}\[{position}\]" if container.positions or name == "object" else "convert|cast|give|use"
            return Refusal(TypeError, here)
    return out


class Case(NamedTuple):
    """A container built in one way from one sample. Its variants are read in different ways, but then treated alike:
    only one of them is tested with every call."""

    name: str
    n: int  #: how many items
    build: Callable[[], Any]
    expected: Items | Refusal
    every_call: bool


def cases(container: Container, name: str, what: str) -> Iterator[Case]:
    """Each variant with each sample, and with a null as the second item."""
    first = samples(container, name)[0]
    for items in samples(container, name):
        nulls = container.null is not None and container.kind != "null" and is_null(container, name, None)
        for batch in [items, [items[0], None, *items[1:]]] if nulls else [items]:
            if not in_the_contract(container, name, what, batch):
                continue
            for number, (variant, build) in enumerate(container.variants.items()):
                again = built(build, batch)
                if name == "object" and isinstance(again(), HasArrow):
                    continue  # it has no Python objects of its own
                objects = container.objects(again()) if name == "object" else batch
                expected = expected_items(container, name, what, batch, objects)
                if (
                    isinstance(expected, Refusal)
                    and expected.error is TypeError
                    and container.kind != ANY
                    and batch is not first
                ):
                    continue  # a column of another type is refused, whatever its items
                if isinstance(expected, Refusal) and batch is not items:
                    continue  # two errors in one batch
                yield Case(f"{variant} of {batch}", len(batch), again, expected, every_call=number == 0)


def built(build: Callable[[Items], Any], items: Items) -> Callable[[], Any]:
    """A function that gives the container; an iterator, which can be read once, made again at each call."""
    made = build(items)
    return partial(build, items) if isinstance(made, Iterator) else lambda: made


# Kinds for which the contract does not say which objects a map of object gets from them.
NO_OBJECTS = {"zone", "in UTC", "in UTC or NaT", "record", "4 bytes", "V"}


def in_the_contract(container: Container, name: str, what: str, items: Items) -> bool:
    """Whether the contract says what happens to this batch."""
    if name != "object":  # a NaN among the objects of a column may be a null: see test_other_libraries.py
        return not (container.kind == ANY and container.library != "Python" and any(x != x for x in items))
    if container.library == "tables" or container.kind in NO_OBJECTS:
        return False
    if what == "values" and container.library != "polars":
        return True
    # polars' own items lose the nanoseconds; the hash of a pandas time that has some is not NumPy's.
    return not any(nanoseconds_left(item) for item in items)


def nanoseconds_left(item: Any) -> bool:
    is_time = isinstance(item, np.datetime64 | np.timedelta64) and np.datetime_data(item.dtype)[0] == "ns"
    return is_time and int(item.astype("i8")) % 1000 != 0
