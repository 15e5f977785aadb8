"""What the harness needs of pyhmap that users are not offered: the one place that names its private modules."""

from typing import Any

from pyhmap import HMap
from pyhmap._reference.engine import ReferenceMap
from pyhmap._reference.table import draw_hash_key, splitmix64
from pyhmap.introspect import hash_words

__all__ = ["ReferenceMap", "draw_hash_key", "field_places", "hash_words", "raw_table", "splitmix64"]


def raw_table(m: HMap) -> Any:
    """A snapshot of the map's arrays as they are in memory, with its hash key."""
    return m._state()


def field_places(m: HMap) -> dict[str, tuple[int, int]]:
    """Offset and size of each field within the map's object."""
    return m._memory()
