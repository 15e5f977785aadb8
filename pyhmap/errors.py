"""The exceptions that pyhmap defines. All others that it raises are built in."""

__all__ = ["CorruptMapError", "FileFormatError", "NilMapError"]


class CorruptMapError(Exception):
    """``check()`` found a broken invariant. The message names the first one and its place.

    No use of the public interface may lead to this. It means a bug in pyhmap (please report it), or that other native
    code has overwritten memory. Rebuild the map.
    """


class FileFormatError(ValueError):
    """A file is not what pyhmap writes: it is damaged, cut off, or no file of pyhmap at all; or a release wrote it that
    this one cannot read. The message names the file, what is wrong, and what to do."""


class NilMapError(TypeError):
    """A write to a nil map (see :func:`pyhmap.nil`). Make a map with ``HMap(key, value)`` and write to that one.

    It is a ``TypeError``, as for other objects that ``[]`` reads but cannot write, such as tuples.
    """
