"""Two markers that are never values: one for a key that is not in the map, one for an argument that was not given.

They differ, so that ABSENT can be passed as a default.
"""

from typing import Any

ABSENT: Any = object()  #: the result of a look-up for a key that is not in the map
NO_DEFAULT: Any = object()  #: the value of a ``default`` argument that was not given: raise ``KeyError``
