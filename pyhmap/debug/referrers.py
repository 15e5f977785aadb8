"""Who keeps an object alive: the shortest path to it from a root. Uses the standard library only.

A root is where a reader looks: a module's globals, or a frame that runs. The search goes forward, breadth first,
through ``gc.get_referents``: so it meets objects that the collector does not track, and none of its own. It sees what
the C code of a type tells the collector; what a NumPy array is a view of, for one, it does not.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

MOST_VISITED = 3_000_000  # objects; some 0.3 kB each while it searches
PACKAGE = __name__.rpartition(".")[0]
SHOWN_KEY = 40  # characters of a key
OPAQUE = (type(sys), types.CodeType)  # modules are roots themselves; constants of code leak nothing
ITEMS_NAMED = 1_000_000  # of a container, in the search for the index


def paths_to(targets: Iterable[Any]) -> list[str]:
    """The shortest path to each object from a root; one from nowhere if there is none.

    >>> import sys, types
    >>> service = sys.modules["service"] = types.ModuleType("service")
    >>> class Node:
    ...     child = None
    >>> service.cache = {"k": [0, Node()]}
    >>> service.cache["k"][1].child = {1, 2}
    >>> paths_to([service.cache["k"][1].child])
    ["service.cache['k'] -> list[1] -> Node.child (set of 2)"]
    >>> del sys.modules["service"]
    """
    wanted = {id(one): one for one in targets}
    parents = search(set(wanted))
    return [written(one, parents) for one in wanted.values()]


def search(wanted: set[int]) -> dict[int, Any]:
    """Breadth first from the roots: what each object was reached from, until all that is wanted was."""
    missing = set(wanted)
    parents: dict[int, Any] = {}
    border: list[Any] = []
    for root in roots():
        parents[id(root)] = None
        border.append(root)
    while border and missing and len(parents) < MOST_VISITED:
        following = []
        for one in border:
            for child in gc.get_referents(one):
                if id(child) not in parents and not isinstance(child, OPAQUE):
                    parents[id(child)] = one
                    missing.discard(id(child))
                    following.append(child)
        border = following
    return parents


def roots() -> Iterator[Any]:
    """The globals of all modules, and the frames that run, without this package's."""
    for name, module in list(sys.modules.items()):
        if not name.startswith(PACKAGE) and isinstance(module, types.ModuleType):
            yield vars(module)
    for frame in sys._current_frames().values():
        current: types.FrameType | None = frame
        while current is not None:
            if not str(current.f_globals.get("__name__")).startswith(PACKAGE):
                yield current
            current = current.f_back


def written(target: Any, parents: dict[int, Any]) -> str:
    """A path as text: from the root's name on, each container with what leads on from it."""
    if id(target) not in parents:
        return f"nothing that Python knows of -> {described(target)}: a reference kept by native code"
    way = [target]
    while (parent := parents[id(way[-1])]) is not None:
        way.append(parent)
    way.reverse()
    steps = [described(way[0])] if len(way) == 1 else []
    i = 0
    while i + 1 < len(way):
        one, following = way[i], way[i + 1]
        if i == 0:
            steps.append(root_name(one) + step_from_root(one, following))
        elif i + 2 < len(way) and (own := attributes(one)) is not None and own is following:
            steps.append(f"{type(one).__name__}.{key_of(own, way[i + 2])}")
            i += 1
        else:
            steps.append((type(one).__name__ if i > 1 else "") + accessor(one, following))
        i += 1
    first, rest = steps[0], steps[1:]
    if rest and rest[0].startswith(("[", ".")):  # what hangs on the name itself
        first, rest = first + rest[0], rest[1:]
    return f"{' -> '.join([first, *rest])} ({described(target)})"


def root_name(root: Any) -> str:
    """A module's name, or that of a frame's function."""
    if isinstance(root, types.FrameType):
        return f"{root.f_globals.get('__name__')}.{root.f_code.co_qualname}()"
    return next((name for name, module in sys.modules.items() if getattr(module, "__dict__", None) is root), "?")


def step_from_root(root: Any, child: Any) -> str:
    """A global's name after its module, or a local's after its frame."""
    if isinstance(root, types.FrameType):
        return f" local {key_of(root.f_locals, child)}"
    return f".{key_of(root, child)}"


def attributes(one: Any) -> dict[str, Any] | None:
    """An object's own attributes, by no code of its class."""
    try:
        found = object.__getattribute__(one, "__dict__")
    except (AttributeError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def key_of(mapping: dict[Any, Any], value: Any) -> str:
    """The first key of a value, found by identity, as it is."""
    return next((str(key) for key, one in list(mapping.items()) if one is value), "?")


def accessor(one: Any, child: Any) -> str:
    """What leads from a container to what is in it."""
    if isinstance(one, dict):
        for key, value in list(one.items()):
            if value is child:
                return f"[{short(key)}]"
        return " key"
    if isinstance(one, (list, tuple)):
        return f"[{next((i for i, item in enumerate(one[:ITEMS_NAMED]) if item is child), '?')}]"
    if isinstance(one, types.MethodType):
        return ".__self__" if one.__self__ is child else ".__func__"
    if isinstance(one, types.CellType):
        return ".cell_contents"
    if isinstance(one, types.FunctionType):
        return function_part(one, child)
    if isinstance(one, types.GeneratorType) and one.gi_frame is not None:
        return f" local {key_of(one.gi_frame.f_locals, child)}"
    own = attributes(one)
    if own is not None and (name := key_of(own, child)) != "?":
        return f".{name}"
    for kind in type(one).__mro__:
        for name, slot in list(vars(kind).items()):
            if isinstance(slot, types.MemberDescriptorType):
                try:
                    if slot.__get__(one) is child:
                        return f".{name}"
                except AttributeError:
                    continue
    return ""


def function_part(function: types.FunctionType, child: Any) -> str:
    """The part of a function that an object is."""
    for name in ("__closure__", "__defaults__", "__kwdefaults__", "__dict__", "__globals__", "__annotations__"):
        if getattr(function, name) is child:
            return f".{name}"
    return ""


def short(key: Any) -> str:
    """A key as it is printed; only of types whose repr is Python's own."""
    text = repr(key) if isinstance(key, (str, bytes, int, float, bool, type(None))) else f"<{type(key).__name__}>"
    return text if len(text) <= SHOWN_KEY else text[: SHOWN_KEY - 3] + "..."


def described(one: Any) -> str:
    """A type's name, with the size of a container."""
    if type(one) in (list, dict, set, tuple, frozenset, bytearray):
        return f"{type(one).__name__} of {len(one):,}"
    return type(one).__name__


def cycle_through(start: Any, among: dict[int, Any]) -> str:
    """The shortest cycle through an object among these, as ``A -> B -> A``; "" if there is none.

    >>> a, b = [], {}
    >>> a.append(b); b["a"] = a
    >>> cycle_through(a, {id(a): a, id(b): b})
    "list[0] -> dict['a'] -> list"
    """
    parents: dict[int, Any] = {}
    border = [start]
    while border:
        following = []
        for one in border:
            for child in gc.get_referents(one):
                if child is start:
                    way = [one]
                    while way[-1] is not start:
                        way.append(parents[id(way[-1])])
                    way.reverse()
                    steps = [type(a).__name__ + accessor(a, b) for a, b in zip(way, [*way[1:], start], strict=True)]
                    return " -> ".join([*steps, type(start).__name__])
                if id(child) in among and id(child) not in parents:
                    parents[id(child)] = one
                    following.append(child)
        border = following
    return ""
