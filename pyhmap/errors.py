"""The exceptions that are pyhmap's own. Everything else it raises is a built-in one."""


class CorruptMapError(Exception):
    """``check()`` found an invariant broken; the message names the first one and where.

    No use of the public interface may lead here: it means a bug in pyhmap, or memory overwritten by other native code.
    """


class NilMapError(TypeError):
    """A write to a nil map (see :func:`pyhmap.nil`): make a map with ``HMap(key, value)`` and write to that.

    A ``TypeError``, as for Python's other objects that can be read with ``[]`` but not written, such as tuples.
    """
