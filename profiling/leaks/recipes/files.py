"""Recipes for files and their generations. All files of a process are in one folder, which goes with it."""

import os
import tempfile
from typing import Any

import pyhmap
from leaks.recipes.both import of_frozen
from leaks.recipes.kit import Call, Kit, raises, recipe

FOLDER = tempfile.TemporaryDirectory(prefix="leaks-")
PATH, OTHER = (os.path.join(FOLDER.name, name) for name in ("saved.pyhmap", "other"))


def stop(part: float) -> None:
    raise LookupError(part)


@recipe("HMap.save", "HSet.save", *of_frozen("save"))
def _(call: Call, kit: Kit) -> None:
    if kit.form == "object":
        raises(TypeError, call, kit.own, PATH)
        return
    call(kit.own, PATH)
    call(kit.own, PATH, progress=lambda part: None)
    raises(LookupError, call, kit.own, PATH, progress=stop)
    raises(OSError, call, kit.own, os.path.join(FOLDER.name, "missing", "f"))


def saved(kit: Kit) -> Any:
    """A frozen map of the form, in a file; the object map has one of ints."""
    m = pyhmap.HMap(int, int, {1: 2}) if kit.form == "object" else kit.m
    m.save(PATH)
    return m


@recipe("pyhmap.open")
def _(call: Call, kit: Kit) -> None:
    saved(kit)
    for verify in ("header", "structure", "lazy", "full"):
        for prefetch in (None, "touch", "copy"):
            call(PATH, verify=verify, prefetch=prefetch).close()
    list(call(PATH, verify="lazy"))  # and not closed
    raises(ValueError, call, PATH, verify="none")
    raises(pyhmap.FileFormatError, call, PATH, sha256="0" * 64)
    raises(FileNotFoundError, call, OTHER)


@recipe("pyhmap.check_file")
def _(call: Call, kit: Kit) -> None:
    saved(kit)
    call(PATH)
    raises(FileNotFoundError, call, OTHER)


@recipe("pyhmap.build_file")
def _(call: Call, kit: Kit) -> None:
    keys, values = ([1, 2], [3, 4]) if kit.form == "object" else (kit.keys, kit.values)
    call([(keys, values)], PATH)
    call([(keys, values), (keys, values)], PATH, on_duplicate="last")
    raises(ValueError, call, [(keys, values), (keys, values)], PATH)
    raises(LookupError, call, [(keys, values)], PATH, progress=stop)


@recipe(*of_frozen("close"))
def _(call: Call, kit: Kit) -> None:
    kit.own.save(PATH)
    f = pyhmap.open(PATH)
    call(f)
    call(f)


@recipe(*of_frozen("__exit__"))
def _(call: Call, kit: Kit) -> None:
    kit.own.save(PATH)
    call(pyhmap.open(PATH), None, None, None)


@recipe(*of_frozen("__enter__"))
def _(call: Call, kit: Kit) -> None:
    call(kit.own)


@recipe("pyhmap.Publisher()")
def _(call: Call, kit: Kit) -> None:
    call(FOLDER.name, "made").close()
    raises(ValueError, call, FOLDER.name, "a name")


@recipe("pyhmap.Publisher.__init__")
def _(call: Call, kit: Kit) -> None:
    made = pyhmap.Publisher.__new__(pyhmap.Publisher)
    call(made, FOLDER.name, "made")
    made.close()


@recipe("pyhmap.Publisher.publish")
def _(call: Call, kit: Kit) -> None:
    with pyhmap.Publisher(FOLDER.name, "published", keep=1) as publisher:
        call(publisher, pyhmap.HMap(int, int, {1: 2}))
        call(publisher, pyhmap.HIndex(int, [1, 2]))
        raises(TypeError, call, publisher, {1: 2})


@recipe("pyhmap.Publisher.__exit__")
def _(call: Call, kit: Kit) -> None:
    call(pyhmap.Publisher(FOLDER.name, "published"), None, None, None)


@recipe("pyhmap.Publisher.close", "pyhmap.Publisher.__del__", "pyhmap.Publisher.__enter__")
def _(call: Call, kit: Kit) -> None:
    publisher = pyhmap.Publisher(FOLDER.name, "published")
    call(publisher)
    publisher.close()


@recipe("pyhmap.Publisher.__reduce__")
def _(call: Call, kit: Kit) -> None:
    with pyhmap.Publisher(FOLDER.name, "published") as publisher:
        raises(TypeError, call, publisher)


@recipe("pyhmap.Subscriber()")
def _(call: Call, kit: Kit) -> None:
    call(FOLDER.name, "made")
    raises(ValueError, call, FOLDER.name, "made", every=-1)


@recipe("pyhmap.Subscriber.__init__")
def _(call: Call, kit: Kit) -> None:
    call(pyhmap.Subscriber.__new__(pyhmap.Subscriber), FOLDER.name, "made")


@recipe("pyhmap.Subscriber.current", "pyhmap.Subscriber.__del__", "pyhmap.Subscriber.__reduce__")
def _(call: Call, kit: Kit) -> None:
    with pyhmap.Publisher(FOLDER.name, "followed", keep=1) as publisher:
        publisher.publish(pyhmap.HMap(int, int, {1: 2}))
    call(pyhmap.Subscriber(FOLDER.name, "followed", every=0))
