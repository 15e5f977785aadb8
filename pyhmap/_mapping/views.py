"""The views ``m.keys()``, ``m.values()`` and ``m.items()``."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from pyhmap._convert.sentinels import ABSENT
from pyhmap._mapping.equality import find, same_value


class HMapKeys(KeysView[Any]):
    """``m.keys()``. An iterator is bound to the map when ``iter()`` is called, not at its first step."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)

    def __contains__(self, key: object) -> bool:
        return find(self._mapping, key) is not ABSENT


class HMapValues(ValuesView[Any]):
    """``m.values()``. The engine iterates, without a look-up per value."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._iter_values()  # type: ignore[no-any-return]

    def __contains__(self, value: object) -> bool:
        return any(same_value(self._mapping, own, value) for own in self)


class HMapItems(ItemsView[Any, Any]):
    """``m.items()``. The engine iterates, without a look-up per pair."""

    __slots__ = ()
    _mapping: Any

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._iter_items()  # type: ignore[no-any-return]

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, tuple) or len(item) != 2:
            return False
        own = find(self._mapping, item[0])
        if own is ABSENT:
            return False
        value = self._mapping.get(own, ABSENT)  # ABSENT if a comparison has removed the key
        return value is not ABSENT and same_value(self._mapping, value, item[1])
