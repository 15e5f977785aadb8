"""What a type checker infers for maps, sets and caches. test_stubs.py runs mypy on it; it is not executed."""

import time
from array import array
from collections import deque
from collections.abc import Hashable
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import pyhmap
from _hmap_bytes.arrow_types import ArrowStream
from pyhmap import (
    Dataset,
    Enricher,
    ExpiringMap,
    ExpiringSet,
    FrozenMap,
    FrozenSet,
    HMap,
    HSet,
    build_dataset,
    introspect,
    open_dataset,
)
from tophash_cache import TopHashCache

assert_type(HMap(np.int64, np.float64), HMap[int, float])
assert_type(HMap(np.uint8, np.int32, {1: 2}), HMap[int, int])
assert_type(HMap(np.float32, bool), HMap[float, bool])
assert_type(HMap(np.dtype(np.int16), np.complex64), HMap[int, complex])
assert_type(HMap(str, np.int64), HMap[str, int])
assert_type(HMap(bytes, str, [(b"a", "b")]), HMap[bytes, str])
assert_type(HMap(int, float), HMap[int, float])
assert_type(HMap(bool, bytes), HMap[bool, bytes])
assert_type(HMap(object, np.int64), HMap[Any, int])
assert_type(HMap(str, object), HMap[str, Any])
assert_type(HMap("M8[s]", "f8"), HMap[Any, Any])
assert_type(HMap([("x", "i4")], str), HMap[Any, str])

times: HMap[np.datetime64, np.timedelta64] = HMap(np.dtype("M8[s]"), np.dtype("m8[s]"))
assert_type(times[np.datetime64(0, "s")], np.timedelta64)
declared: HMap[tuple[int, str], list[int]] = HMap(object, object)
assert_type(declared[1, "a"], list[int])

m = HMap(str, np.int64)
assert_type(m["a"], int)
assert_type(m.get("a"), int | None)
assert_type(m.get("a", 0), int)
assert_type(m.get("a", "none"), int | str)
assert_type(m.pop("a"), int)
assert_type(m.pop("a", None), int | None)
assert_type(m.popitem(), tuple[str, int])
assert_type(m.setdefault("a", 1), int)
assert_type(list(m), list[str])
assert_type(dict(m.items()), dict[str, int])
assert_type(m | {"b": 2}, HMap[str, int])
assert_type(m.copy(), HMap[str, int])
assert_type(m.discard_many(["a"]), int)
assert_type(HMap.fromkeys([1, 2], "x"), HMap[int, str])
assert_type(m.get_many(["a"], 0), npt.NDArray[Any])
assert_type(m.contains_many(np.array(["a"])), npt.NDArray[np.bool])
assert_type(m.occupancy(), introspect.Occupancy)
assert_type(m.top(3, smallest=True), tuple[npt.NDArray[Any], npt.NDArray[Any]])
assert_type(m.most_common(), list[tuple[str, int]])
m.add_many(["a", "b"])
m.set_many(["a"], 5)
m.set_many(["a"], np.array([5]))
m.get_many([5])  # type: ignore[list-item]
m.update(b=2)
m["a"] = "wrong"  # type: ignore[assignment]
m[5] = 1  # type: ignore[index]

s = HSet(np.int64, [1, 2])
assert_type(s, HSet[int])
assert_type(HSet(str), HSet[str])
assert_type(HSet(object), HSet[Any])
assert_type(s | {3}, HSet[int])
assert_type(s.pop(), int)
assert_type(sorted(s), list[int])
assert_type(s.add_many([1]), int)
assert_type(s.add_many([1], return_new=False), int)
assert_type(s.add_many([1], return_new=True), npt.NDArray[np.bool])
assert_type(np.asarray(s), npt.NDArray[Any])
np.isin(np.array([1, 2]), s)
s.add("wrong")  # type: ignore[arg-type]
s.add_many(["wrong"])  # type: ignore[list-item]

frozen = HMap(str, np.float64).freeze(threads=2, progress=print)
assert_type(frozen, FrozenMap[str, float])
assert_type(HMap(np.int64, np.int64).freeze(seed=1), FrozenMap[int, int])
assert_type(frozen["a"], float)
assert_type(frozen.get("a"), float | None)
assert_type(frozen.get("a", "none"), float | str)
assert_type(list(frozen), list[str])
assert_type(dict(frozen.items()), dict[str, float])
assert_type(frozen.copy(), FrozenMap[str, float])
assert_type(frozen.get_many(["a"], 0), npt.NDArray[Any])
assert_type(frozen.contains_many(np.array(["a"])), npt.NDArray[np.bool])
assert_type(frozen.positions(["a"]), npt.NDArray[np.int64])
assert_type(frozen.most_common(2), list[tuple[str, float]])
assert_type(HMap(frozen), HMap[str, float])
assert_type(HMap(m, capacity=10), HMap[str, int])
hashed: Hashable = frozen
named: FrozenMap[str, int] = FrozenMap.from_arrays(["a"], [1], on_duplicate="last")
FrozenMap.from_arrays(["a"], [1], on_duplicate="first")  # type: ignore[arg-type]
frozen.positions([5])  # type: ignore[list-item]
frozen[5]  # type: ignore[index]
frozen["a"] = 1.0  # type: ignore[index]
frozen.pop("a")  # type: ignore[attr-defined]
hashed = m  # type: ignore[assignment]

f = s.freeze(threads=2, progress=print)
assert_type(f, FrozenSet[int])
assert_type(HSet(str).freeze(seed=1), FrozenSet[str])
assert_type(f | {3}, FrozenSet[int])
assert_type(f.intersection([1], [2]), FrozenSet[int])
assert_type(sorted(f), list[int])
assert_type(f.copy(), FrozenSet[int])
assert_type(f.contains_many([1]), npt.NDArray[np.bool])
assert_type(f.positions([1]), npt.NDArray[np.int64])
assert_type(HSet(f), HSet[int])
assert_type(HSet(s, capacity=10), HSet[int])
hashed = f
names: FrozenSet[str] = FrozenSet.from_array(["a"])
np.isin(np.array([1, 2]), f)
f.positions(["wrong"])  # type: ignore[list-item]
f.add(1)  # type: ignore[attr-defined]
hashed = s  # type: ignore[assignment]

seen = ExpiringSet(str, 60, parts=4, renew=True, max_keys=10, clock=lambda: 1.0, seed=1)
assert_type(seen, ExpiringSet[str])
assert_type(ExpiringSet(np.int64, 60.0), ExpiringSet[int])
moments: ExpiringSet[np.datetime64] = ExpiringSet(np.dtype("M8[s]"), 60)
assert_type(ExpiringSet("i8", 60), ExpiringSet[Any])
assert_type(seen.add("a", at=5.0), bool)
assert_type(seen.add_many(["a", "b"], at=[1.0, 2.0]), npt.NDArray[np.bool])
assert_type(seen.add_many(np.array(["a"]), at=np.array([1.0])), npt.NDArray[np.bool])
assert_type(seen.discard_many(["a"]), int)
assert_type(sorted(seen), list[str])
assert_type(seen.headers(), list[introspect.Header])
opened: ExpiringSet[str] = ExpiringSet.open("folder")
seen.add(1)  # type: ignore[arg-type]
seen.add_many([1])  # type: ignore[list-item]
ExpiringSet(str, "60")  # type: ignore[call-overload]
ExpiringSet(str, 60, part=4)  # type: ignore[call-overload]
totals = ExpiringMap(str, np.int64, 60)
assert_type(totals, ExpiringMap[str, int])
assert_type(ExpiringMap(str, float, 60), ExpiringMap[str, float])
assert_type(ExpiringMap(np.int64, np.float32, 60), ExpiringMap[int, float])
assert_type(ExpiringMap("i8", str, 60), ExpiringMap[Any, str])
assert_type(ExpiringMap(str, [("n", "i8")], 60, clock=time.monotonic), ExpiringMap[str, Any])
assert_type(totals["a"], int)
assert_type(totals.headers()[0].count, int)
assert_type(totals.get("a"), int | None)
assert_type(totals.get("a", "none"), int | str)
assert_type(totals.pop("a"), int)
assert_type(totals.add_many(["a"], at=1.0), npt.NDArray[Any])
assert_type(totals.get_many(["a"], 0), npt.NDArray[Any])
assert_type(list(totals.items()), list[tuple[str, int]])
assert_type(list(iter(totals)), list[str])
totals.set_many(["a"], [1], at=5)
totals["a"] = "1"  # type: ignore[assignment]

publisher = pyhmap.Publisher("folder", "name", keep=3)
assert_type(publisher.publish(m, progress=print), int)
publisher.publish(frozen)
publisher.publish(s)
publisher.publish(f)
publisher.publish({1: 2})  # type: ignore[arg-type]
subscriber = pyhmap.Subscriber("folder", "name", every=0.5)
assert_type(subscriber.current(), Any)
assert_type(subscriber.generation, int | None)

tables: list[ArrowStream] = [m, s, frozen, f]

assert_type(pyhmap.nil(str, np.int64), HMap[Any, Any])

cache = TopHashCache(max_entries=10)
assert_type(cache.hash("a"), int)
cache.hash_many(["a", b"b"])
cache.hash_many(("a", "b"))
cache.hash_many(key for key in ("a", b"b"))
cache.hash_many(deque(["a"]))
cache.hash_many(np.ma.array(["a"]))
cache.hash_many(array("u", "ab"))
cache.hash_many("a")  # type: ignore[arg-type]
cache.hash_many(b"a")  # type: ignore[arg-type]

parted: Dataset[int, float] = open_dataset("folder", verify="lazy", cache="cache", id="0" * 32)
assert_type(parted[1], float)
assert_type(parted.get_many([1]), npt.NDArray[Any])
assert_type(parted.partitions_of([1]), npt.NDArray[np.uint16])
assert_type(list(parted.items()), list[tuple[int, float]])
parted[1] = 2.0  # type: ignore[index]
build_dataset([([1], [2.0])], "folder", partitions=8, on_duplicate="last")
build_dataset([([1], [2.0])], "folder", on_duplicate="first")  # type: ignore[arg-type]
with_price = Enricher("prices.pyhmap", on=["shop", "item"], out={"price": "cost"}, default={"price": 0.0})
assert_type(with_price.id, str)
Enricher("prices.pyhmap")  # type: ignore[call-arg]
