"""The exceptions that pyhmap defines. All others that it raises are built in."""


class CorruptMapError(Exception):
    """``check()`` found a broken invariant. The message names the first one and its place.

    No use of the public interface may lead to this. It means a bug in pyhmap, which please report, or that other native
    code has overwritten memory. Rebuild the map.
    """


class NilMapError(TypeError):
    """A write to a nil map (see :func:`pyhmap.nil`). Make a map with ``HMap(key, value)`` and write to that one.

    It is a ``TypeError``, as for other objects that ``[]`` reads but cannot write, such as tuples.
    """
