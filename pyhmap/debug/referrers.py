"""What keeps an object alive: the shortest path to it from a root.

A root is the globals of a module, or a running frame. The search goes forward from the roots, breadth first, through
``gc.get_referents``. So it finds objects that the collector does not track, and none of its own. It does not see
references that the C code of a type hides from the collector; for NumPy arrays it reads base and items.
"""

from __future__ import annotations

import gc
import inspect
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pyhmap.debug.accounts import CORES, sizes

MOST_VISITED = 3_000_000  # objects; the search needs about 0.3 kB for each
PACKAGE = __name__.rpartition(".")[0]
NOWHERE = "nothing that Python knows of"
SHOWN_STEPS = 4  # steps shown at each end of a long path
SHOWN_KEY = 40  # characters shown of a key
OPAQUE: tuple[type, ...] = (
    type(sys),
    types.CodeType,
)  # not entered: modules are roots, and the constants of code do not leak
ITEMS_NAMED = 1_000_000  # items of a container that the search for an index looks at


def paths_to(targets: Iterable[Any]) -> list[str]:
    """The shortest path from a root to each object; it starts at ``NOWHERE`` if there is none.

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
    """Search breadth first until all wanted objects are found. Maps each id to the object that led there.

    Starts from the modules, which stay, and only for the objects not found that way from the running frames.
    """
    missing = set(wanted)
    parents: dict[int, Any] = {}
    for border in (list(modules()), list(frames())):
        parents |= {id(root): None for root in border if id(root) not in parents}
        missing -= parents.keys()
        while border and missing and len(parents) < MOST_VISITED:
            following = []
            for one in border:
                for child in referents(one):
                    if id(child) not in parents and not is_a(child, OPAQUE):
                        parents[id(child)] = one
                        missing.discard(id(child))
                        following.append(child)
            border = following
    return parents


def referents(one: Any) -> list[Any]:
    """The objects that an object refers to, including those that NumPy arrays and frames hide from the collector."""
    if is_a(one, types.FrameType):
        return list(locals_of(one).values())  # the collector does not see into running frames
    found = gc.get_referents(one)
    if is_a(one, np.ndarray):
        found += [] if one.base is None else [one.base]
        if one.dtype == object:
            found += one.ravel().tolist()
    return found


def is_a(one: Any, kinds: type | tuple[type, ...]) -> bool:
    """``isinstance`` by the real type: ``__class__`` of an object may run code."""
    return issubclass(type(one), kinds)


def locals_of(frame: types.FrameType) -> dict[str, Any]:
    """The locals of a frame. Up to Python 3.12 reading ``f_locals`` leaves a copy in the frame, which is emptied."""
    seen = frame.f_locals
    copy = dict(seen)
    if type(seen) is dict and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        seen.clear()
    return copy


def modules() -> Iterator[Any]:
    """The globals of all modules except this package."""
    for name, module in list(sys.modules.items()):
        if not name.startswith(PACKAGE) and is_a(module, types.ModuleType):
            yield vars(module)


def frames() -> Iterator[types.FrameType]:
    """The running frames of all threads, except those of this package."""
    for frame in sys._current_frames().values():
        current: types.FrameType | None = frame
        while current is not None:
            if not str(current.f_globals.get("__name__")).startswith(PACKAGE):
                yield current
            current = current.f_back


def written(target: Any, parents: dict[int, Any]) -> str:
    """A path as text: the name of the root, then each container with the key, index or attribute that leads on."""
    if id(target) not in parents:
        return f"{NOWHERE} -> {described(target)}: a reference kept by native code"
    way = [target]
    while (parent := parents[id(way[-1])]) is not None:
        way.append(parent)
    way.reverse()
    if len(way) == 1:
        return f"{root_name(target)} ({described(target)})"
    name = root_name(way[0]) + step_from_root(way[0], way[1])
    steps = []
    i = 1
    while i + 1 < len(way):
        kind = type(way[i]).__name__
        if i + 2 < len(way) and is_namespace(way[i + 1], way[i]):
            i += 1
            steps.append((kind, f".{key_of(way[i], way[i + 1])}"))
        else:
            steps.append((kind, accessor(way[i], way[i + 1])))
        i += 1
    if steps:  # the name of the root stands for the first container
        name += steps[0][1]
    rest = [kind + step for kind, step in steps[1:]]
    if len(rest) > 2 * SHOWN_STEPS:
        rest[SHOWN_STEPS:-SHOWN_STEPS] = [f"... {len(rest) - 2 * SHOWN_STEPS:,} more ..."]
    return f"{' -> '.join([name, *rest])} ({described(target)})"


def root_name(root: Any) -> str:
    """The name of a module, or of the function of a frame."""
    if is_a(root, types.FrameType):
        return f"{root.f_globals.get('__name__')}.{root.f_code.co_qualname}()"
    return next((name for name, module in sys.modules.items() if getattr(module, "__dict__", None) is root), "?")


def step_from_root(root: Any, child: Any) -> str:
    """The step from a module to a global, or from a frame to a local."""
    if is_a(root, types.FrameType):
        return f" local {key_of(locals_of(root), child)}"
    return f".{key_of(root, child)}"


def is_namespace(namespace: Any, owner: Any) -> bool:
    """Whether a dict holds the attributes of an object or class."""
    if is_a(owner, type):
        return type(namespace) is dict and namespace.keys() == vars(owner).keys()
    return namespace is attributes(owner) is not None


def attributes(one: Any) -> dict[str, Any] | None:
    """The ``__dict__`` of an object, read without running code of its class."""
    try:
        found = object.__getattribute__(one, "__dict__")
    except (AttributeError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def key_of(mapping: dict[Any, Any], value: Any) -> str:
    """The first key whose value is this object."""
    return next((str(key) for key, one in list(mapping.items()) if one is value), "?")


def accessor(one: Any, child: Any) -> str:
    """The key, index or attribute that leads from an object to another."""
    if is_a(one, dict):
        for key, value in list(one.items()):
            if value is child:
                return f"[{short(key)}]"
        return " key"
    if is_a(one, (list, tuple)):
        return f"[{next((i for i, item in enumerate(one[:ITEMS_NAMED]) if item is child), '?')}]"
    if is_a(one, types.MethodType):
        return ".__self__" if one.__self__ is child else ".__func__"
    if is_a(one, types.CellType):
        return ".cell_contents"
    if is_a(one, types.FunctionType):
        return function_part(one, child)
    if is_a(one, types.GeneratorType) and one.gi_frame is not None:
        return f" local {key_of(locals_of(one.gi_frame), child)}"
    if is_a(one, np.ndarray):
        return ".base" if one.base is child else "[...]"
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
    """The attribute of a function that is this object."""
    for name in ("__closure__", "__defaults__", "__kwdefaults__", "__dict__", "__globals__", "__annotations__"):
        if getattr(function, name) is child:
            return f".{name}"
    return ""


def short(key: Any) -> str:
    """A key as it is printed; only of types whose repr is Python's own."""
    text = repr(key) if isinstance(key, (str, bytes, int, float, bool, type(None))) else f"<{type(key).__name__}>"
    return text if len(text) <= SHOWN_KEY else text[: SHOWN_KEY - 3] + "..."


def described(one: Any) -> str:
    """A type's name, with the size of a container, and what the last of a list is."""
    if type(one) is list and one:
        last = f", the last a {described(one[-1])}" if type(one[-1]) is not list else ""
        return f"list of {len(one):,}{last}"
    if is_a(one, CORES):
        return f"{type(one).__name__} of {sizes(one)['count']:,} entries"
    if is_a(one, np.ndarray):
        base = one
        while isinstance(base.base, np.ndarray):
            base = base.base
        view = f", a view into one of {base.nbytes:,} bytes" if base is not one else ""
        return f"{type(one).__name__} of {one.nbytes:,} bytes{view}"
    if type(one) in (list, dict, set, tuple, frozenset, bytearray):
        return f"{type(one).__name__} of {len(one):,}"
    return type(one).__name__


def cycle_through(start: Any, among: dict[int, Any]) -> str:
    """The shortest cycle through an object, within some objects, as ``A -> B -> A``; "" if there is none.

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
