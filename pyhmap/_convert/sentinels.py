"""The two markers that are no value: one for a key that is not in the map, one for an argument that was not given.

They differ, so that a call may be given ABSENT as its default.
"""

from typing import Any

ABSENT: Any = object()  #: what a look-up returns for a key that is not in the map
NO_DEFAULT: Any = object()  #: the default of a ``default`` argument: raise ``KeyError`` instead
