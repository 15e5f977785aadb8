"""One round of each public call of ``pyhmap.debug``."""

import gc
import tracemalloc

from leaks.recipes.kit import Call, Kit, raises, recipe
from pyhmap import debug


@recipe("pyhmap.debug.snapshot")
def _(call: Call, kit: Kit) -> None:
    call()
    call(trim=True)


@recipe("pyhmap.debug.compare")
def _(call: Call, kit: Kit) -> None:
    call(kit.series)
    raises(ValueError, call, kit.series[:2])
    raises(ValueError, call, kit.series, calls=0)


@recipe("pyhmap.debug.leakcheck")
def _(call: Call, kit: Kit) -> None:
    if not tracemalloc.is_tracing():  # else each call starts and stops it, and before 3.12.5 CPython then keeps every
        tracemalloc.start()  # traceback (its issue 121390)
    call(dict, rounds=4, calls=1)
    raises(ValueError, call, dict, rounds=1)
    raises(TypeError, call, 7)


@recipe("pyhmap.debug.header_by_reflection", "pyhmap.debug.compare_headers")
def _(call: Call, kit: Kit) -> None:
    call(kit.m)
    raises(debug.LayoutMismatch, call, kit.other)


@recipe("pyhmap.debug.CollectorWatch()", "pyhmap.debug.CollectorWatch.__init__")
def _(call: Call, kit: Kit) -> None:
    if kit.name.endswith("()"):
        call([kit.m, kit.s])
    else:
        call(debug.CollectorWatch.__new__(debug.CollectorWatch), [kit.m])
    raises(TypeError, debug.CollectorWatch, [7])


@recipe("pyhmap.debug.CollectorWatch.__enter__")
def _(call: Call, kit: Kit) -> None:
    watch = debug.CollectorWatch([kit.m])
    call(watch)
    gc.collect(0)
    raises(RuntimeError, call, watch)
    watch.__exit__(None, None, None)


@recipe("pyhmap.debug.CollectorWatch.__exit__")
def _(call: Call, kit: Kit) -> None:
    watch = debug.CollectorWatch([kit.m]).__enter__()
    call(watch, None, None, None)


@recipe("pyhmap.debug.CollectorWatch.pauses", "pyhmap.debug.CollectorWatch.to_json")
@recipe("pyhmap.debug.CollectorWatch.__str__")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject)


@recipe("pyhmap.debug.Diagnosis.to_json", "pyhmap.debug.Diagnosis.__str__", "pyhmap.debug.Snapshot.numbers")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject)


@recipe("pyhmap.debug.Trend.figure")
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, 100)


@recipe("pyhmap.debug.Verdict()")
def _(call: Call, kit: Kit) -> None:
    call("clean")
    raises(ValueError, call, "perhaps")


@recipe("pyhmap.debug.LayoutMismatch()")
def _(call: Call, kit: Kit) -> None:
    call("a reason")


@recipe(*(f"pyhmap.debug.{name}()" for name in ("Diagnosis", "Line", "Snapshot", "Trend", "TypeGrowth")))
def _(call: Call, kit: Kit) -> None:
    call(**{name: getattr(kit.subject, name) for name in kit.subject.__dataclass_fields__})
    raises(TypeError, call)


@recipe(*(f"pyhmap.debug.{name}.__init__" for name in ("Diagnosis", "Line", "Snapshot", "Trend", "TypeGrowth")))
def _(call: Call, kit: Kit) -> None:
    call(kit.subject, **{name: getattr(kit.subject, name) for name in kit.subject.__dataclass_fields__})


@recipe("pyhmap.debug.Slope()")
def _(call: Call, kit: Kit) -> None:
    call(1.0, 0.5, 2.0)
